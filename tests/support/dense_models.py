"""Small networks of the kinds that give more than classes, as users write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from cat_models import centers
from reference_weights import fill
from torch import Tensor, nn

import cloformer
from cloformer.export.source.roles import Coordinates
from cloformer.export.source.suppression import Suppress
from cloformer.export.source.suppression_rule import Suppression

__all__ = ["SETS", "centers", "deeplab", "fpn", "points", "retinanet", "sharper", "suppress", "yolo"]

SETS = 50  # of boxes in one inference of :func:`suppress`


class Backbone(nn.Sequential):
    """An image to a map of 16 channels at an eighth of its size."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in ((3, 8), (8, 12), (12, 16)):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.SiLU()]
        super().__init__(*layers)


class Yolo(nn.Module):
    """Boxes as centre and size in shares of the input, and their scores; one box at each place."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.boxes = nn.Conv2d(16, 4, 1)
        self.scores = nn.Conv2d(16, classes, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(image)
        height, width = features.shape[-2:]
        raw = self.boxes(features).sigmoid().flatten(2).transpose(1, 2)
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        corner = torch.stack((x, y), -1).reshape(1, -1, 2)
        sides = torch.tensor([width, height])
        boxes = torch.cat(((raw[..., :2] + corner) / sides, raw[..., 2:] * 0.8 + 0.02), -1)
        return boxes, self.scores(features).flatten(2).transpose(1, 2).sigmoid()


class DeepLab(nn.Module):
    """Scores of five classes at every pixel, of dilated convolutions beside the map's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.branches = nn.ModuleList(nn.Conv2d(16, 8, 3, padding=rate, dilation=rate) for rate in (1, 2, 3))
        self.whole = nn.Conv2d(16, 8, 1)
        self.head = nn.Conv2d(32, 5, 1)
        with torch.no_grad():  # as drawn, one class would be the largest everywhere
            self.head.weight.mul_(30)

    def forward(self, image: Tensor) -> Tensor:
        features = self.backbone(image)
        mean = F.relu(self.whole(F.adaptive_avg_pool2d(features, 1))).expand(-1, -1, *features.shape[-2:])
        joined = torch.cat([*(F.relu(branch(features)) for branch in self.branches), mean], 1)
        return F.interpolate(self.head(joined), image.shape[-2:], mode="bilinear", align_corners=False)


class Points(nn.Module):
    """Where seven points are, in pixels, and how sure that is: the mean place of a heat map."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.heat = nn.Conv2d(16, 7, 1)

    def forward(self, image: Tensor) -> Tensor:
        heat = self.heat(self.backbone(image))
        height, width = heat.shape[-2:]
        shares = heat.flatten(2).softmax(-1).reshape(heat.shape)
        x = (shares.sum(2) * torch.arange(width)).sum(-1)
        y = (shares.sum(3) * torch.arange(height)).sum(-1)
        return torch.stack(((x + 0.5) * 8, (y + 0.5) * 8, heat.amax((2, 3)).sigmoid()), -1)


class Sharper(nn.Module):
    """An image of twice the size, from 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.PixelShuffle(2)
        )

    def forward(self, image: Tensor) -> Tensor:
        large = F.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)
        return (large * 0.25 + 0.5 + self.layers(image)).clamp(0, 1)


def suppress() -> nn.Module:
    """Boxes (SETS, 60, 4) as xyxy in pixels of 100 x 100 and scores (SETS, 60, 3) to at most 12 of each."""
    return Suppress(Suppression(12, 0.05, 0.5, 40), Coordinates("xyxy", "pixels"), (100, 100)).eval()


def yolo() -> nn.Module:
    return _seeded(Yolo)


def deeplab() -> nn.Module:
    return _seeded(DeepLab)


def points() -> nn.Module:
    return _seeded(Points)


def sharper() -> nn.Module:
    return _seeded(Sharper)


def fpn() -> nn.Module:
    """CloFormer-XXS with a Semantic FPN, and numbers in all weights: those that it starts with leave most of a head's results alike."""
    return fill(cloformer.create_dense_model("cloformer_xxs_fpn", num_classes=7))


def retinanet() -> nn.Module:
    return fill(cloformer.create_dense_model("cloformer_xxs_retinanet", num_classes=3))


def _seeded(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(7)
    return kind().eval()
