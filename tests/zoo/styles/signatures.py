"""Odd inputs and outputs."""

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, numbers, rows, truths, whole


class Nested(nn.Module):
    """A dictionary of tuples and lists; one tensor is there twice."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, 2, 1)])

    def forward(self, x):
        features = OrderedDict()
        for i, layer in enumerate(self.layers):
            x = torch.relu(layer(x))
            features[str(i)] = x
        return {"features": features, "pooled": (x.mean((2, 3)), [x.amax((2, 3))]), "last": x}


@dataclass
class ModelOutput:
    logits: torch.Tensor
    hidden: torch.Tensor
    loss: torch.Tensor = None


torch.export.register_dataclass(ModelOutput, serialized_type_name="zoo.ModelOutput")


class DataClass(nn.Module):
    """A dataclass whose loss is None, as models of transformers return."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, pixel_values, labels=None):
        hidden = F.gelu(self.body(pixel_values))
        logits = self.head(hidden.mean((-2, -1)))
        loss = F.cross_entropy(logits, labels) if labels is not None else None
        return ModelOutput(loss=loss, logits=logits, hidden=hidden)


class Prompted(nn.Module):
    """Segment-anything's decoder: an embedding, points with labels, and a mask that is there or not."""

    def __init__(self, dim=16):
        super().__init__()
        self.register_buffer("gaussian", torch.randn((2, dim // 2)))
        self.labels, self.no_mask = nn.Embedding(2, dim), nn.Embedding(1, dim)
        self.mask_down = nn.Conv2d(1, dim, 4, 4)
        self.tokens, self.attn = nn.Embedding(2, dim), nn.MultiheadAttention(dim, 2, batch_first=True)
        self.up, self.iou = nn.ConvTranspose2d(dim, 4, 2, 2), nn.Linear(dim, 1)

    def forward(self, embedding, points, labels, mask, has_mask):
        coords = (2 * (points / 64.0) - 1) @ self.gaussian * 2 * torch.pi
        sparse = torch.cat([torch.sin(coords), torch.cos(coords)], dim=-1)
        sparse = (
            sparse
            + self.labels.weight[0] * (labels == 0).unsqueeze(-1)
            + self.labels.weight[1] * (labels == 1).unsqueeze(-1)
        )
        dense = has_mask.view(-1, 1, 1, 1) * self.mask_down(mask) + (
            1 - has_mask.view(-1, 1, 1, 1)
        ) * self.no_mask.weight.reshape(1, -1, 1, 1)
        src = embedding + dense
        b, c, h, w = src.shape
        tokens = torch.cat((self.tokens.weight.unsqueeze(0).expand(b, -1, -1), sparse), dim=1)
        hs, _ = self.attn(tokens, src.flatten(2).permute(0, 2, 1), src.flatten(2).permute(0, 2, 1))
        up = self.up(src)
        masks = (hs[:, :2, :4] @ up.view(b, 4, -1)).view(b, 2, 2 * h, 2 * w)
        return masks > 0.0, masks, self.iou(hs[:, :2]).squeeze(-1)


class RawPixels(nn.Module):
    """Bytes as an app has them: height, width, colours in whole numbers, BGR; prepared inside, one class number out."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.conv, self.fc = nn.Conv2d(3, 8, 3, 2), nn.Linear(8, 5)

    def forward(self, frame):
        x = frame.permute(0, 3, 1, 2).to(torch.float32) / 255.0
        x = torch.flip(x, dims=[1])
        x = F.interpolate(x, size=(16, 16), mode="bilinear", align_corners=False)
        x = (x - self.mean) / self.std
        probs = F.softmax(self.fc(torch.relu(self.conv(x)).mean((2, 3))), dim=1)
        score, label = torch.max(probs, dim=1)
        return label.to(torch.int32), score


class Selected(nn.Module):
    """A truth for every row chooses between two branches, and numbers, a scalar and what came in go out."""

    def __init__(self):
        super().__init__()
        self.day, self.night = nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x, is_night):
        out = torch.where(is_night[:, None], self.night(x), self.day(x))
        return out, out.norm(), is_night.float().sum().long(), x


class Pairs(nn.Module):
    """Two dictionaries' worth of things by keyword, a default that nobody gives, and a tuple of one."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(1, 8, 3, padding=1)

    def forward(self, color, depth, scale=2.0, normalize=True):
        y = self.a(color) + scale * self.b(depth)
        if normalize:
            y = F.normalize(y, dim=1)
        return (y,)


class Batch(nn.Module):
    """Crops of one image as a batch of five, and their mean."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 5, 4), nn.Linear(8, 6)

    def forward(self, crops):
        scores = self.fc(F.relu(self.conv(crops)).flatten(2).mean(-1))
        return scores.view(1, 5, -1).mean(1)


NETWORKS = rows(
    "signatures",
    {
        "nested": (Nested, image(16)),
        "data_class": (DataClass, image(16, name="pixel_values")),
        "prompted": (
            Prompted,
            numbers("embedding", 1, 16, 4, 4),
            numbers("points", 1, 3, 2),
            whole("labels", 1, 3, below=2),
            numbers("mask", 1, 1, 16, 16),
            numbers("has_mask", 1),
        ),
        "raw_pixels": (RawPixels, whole("frame", 1, 24, 32, 3, below=256, dtype="int32")),
        "selected": (Selected, numbers("x", 3, 6), truths("is_night", 3)),
        "pairs": (Pairs, image(16, name="color"), image(16, channels=1, name="depth")),
        "batch": (Batch, image(24, batch=5, name="crops")),
    },
)
