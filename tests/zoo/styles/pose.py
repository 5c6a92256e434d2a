"""Key points of people, hands and faces."""

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


def body(out, *, strides=(2, 2)):
    layers, inp = [], 3
    for stride in strides:
        layers += [nn.Conv2d(inp, out, 3, stride, 1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        inp = out
    return nn.Sequential(*layers)


class SoftArgmax(nn.Module):
    """Integral regression: the mean place under a heat map's softmax, in -1 to 1, and how sure it is."""

    def __init__(self, joints=5):
        super().__init__()
        self.backbone, self.joints = body(16), joints
        self.deconv = nn.Sequential(
            nn.ConvTranspose2d(16, 16, 4, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, joints, 1),
        )

    def forward(self, x):
        heat = self.deconv(self.backbone(x))
        n, _, h, w = heat.shape
        prob = F.softmax(heat.reshape(n, self.joints, -1), dim=2).reshape(n, self.joints, h, w)
        xs = (prob.sum(dim=2) * torch.linspace(-1, 1, w)).sum(dim=-1, keepdim=True)
        ys = (prob.sum(dim=3) * torch.linspace(-1, 1, h)).sum(dim=-1, keepdim=True)
        conf = prob.amax(dim=(2, 3))
        return {"keypoints": torch.cat((xs, ys), dim=-1), "scores": conf}


class QuarterOffset(nn.Module):
    """Simple baselines: the highest place, moved a quarter of a pixel to the higher neighbour."""

    def __init__(self, joints=4):
        super().__init__()
        self.backbone, self.final_layer = body(12), nn.Conv2d(12, joints, 1)

    def forward(self, x):
        heat = self.final_layer(self.backbone(x))
        n, k, h, w = heat.shape
        flat = heat.view(n, k, h * w)
        maxvals, idx = torch.max(flat, 2)
        px, py = idx % w, torch.div(idx, w, rounding_mode="trunc")
        px, py = px.clamp(1, w - 2), py.clamp(1, h - 2)
        right = flat.gather(2, (py * w + px + 1).unsqueeze(-1)).squeeze(-1)
        left = flat.gather(2, (py * w + px - 1).unsqueeze(-1)).squeeze(-1)
        below = flat.gather(2, ((py + 1) * w + px).unsqueeze(-1)).squeeze(-1)
        above = flat.gather(2, ((py - 1) * w + px).unsqueeze(-1)).squeeze(-1)
        coords = torch.stack(
            [px.float() + torch.sign(right - left) * 0.25, py.float() + torch.sign(below - above) * 0.25], -1
        )
        mask = (maxvals > 0).unsqueeze(-1).to(coords.dtype)
        return coords * mask * 4, maxvals


class CoordinateClasses(nn.Module):
    """SimCC: a distribution over columns and one over rows for every joint."""

    def __init__(self, joints=6, size=(32, 24), split=2.0):
        super().__init__()
        self.backbone, self.final_layer = body(16), nn.Conv2d(16, joints, 3, padding=1)
        flat = size[0] // 4 * (size[1] // 4)
        self.mlp_head_x, self.mlp_head_y = (
            nn.Linear(flat, int(size[1] * split)),
            nn.Linear(flat, int(size[0] * split)),
        )
        self.split = split

    def forward(self, x):
        feats = torch.flatten(self.final_layer(self.backbone(x)), 2)
        pred_x, pred_y = self.mlp_head_x(feats), self.mlp_head_y(feats)
        x_vals, x_locs = pred_x.max(dim=-1)
        y_vals, y_locs = pred_y.max(dim=-1)
        vals = torch.minimum(x_vals, y_vals)
        locs = torch.stack((x_locs, y_locs), dim=-1).to(torch.float32) / self.split
        return locs, vals


class Residual(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(dim), nn.Conv2d(dim, dim // 2, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(dim // 2), nn.Conv2d(dim // 2, dim // 2, 3, 1, 1)
        self.bn3, self.conv3 = nn.BatchNorm2d(dim // 2), nn.Conv2d(dim // 2, dim, 1)

    def forward(self, x):
        out = self.conv1(F.relu(self.bn1(x)))
        out = self.conv2(F.relu(self.bn2(out)))
        return self.conv3(F.relu(self.bn3(out))) + x


class Hourglass(nn.Module):
    """Down and up again, recursively; maps of two stacks in a list."""

    def __init__(self, dim=16, joints=3, stacks=2):
        super().__init__()
        self.pre = body(dim, strides=(2,))
        self.hgs = nn.ModuleList(self.glass(2, dim) for _ in range(stacks))
        self.outs = nn.ModuleList(nn.Conv2d(dim, joints, 1) for _ in range(stacks))
        self.merge = nn.ModuleList(nn.Conv2d(joints, dim, 1) for _ in range(stacks - 1))

    def glass(self, n, dim):
        inner = self.glass(n - 1, dim) if n > 1 else Residual(dim)
        return nn.ModuleDict(
            {"up1": Residual(dim), "low1": Residual(dim), "low2": inner, "low3": Residual(dim)}
        )

    def run(self, glass, x):
        low = glass["low1"](F.max_pool2d(x, 2, 2))
        low = self.run(glass["low2"], low) if isinstance(glass["low2"], nn.ModuleDict) else glass["low2"](low)
        return glass["up1"](x) + F.interpolate(glass["low3"](low), scale_factor=2, mode="nearest")

    def forward(self, imgs):
        x = self.pre(imgs)
        preds = []
        for i, hg in enumerate(self.hgs):
            feature = self.run(hg, x)
            preds.append(self.outs[i](feature))
            if i < len(self.merge):
                x = x + self.merge[i](preds[-1])
        return preds


class PartFields(nn.Module):
    """OpenPose for phones: fields of limbs and maps of joints, refined from stage to stage."""

    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, 16, 3, 4, 1, bias=False), nn.BatchNorm2d(16), nn.ELU(inplace=True)
        )
        self.trunk = nn.Conv2d(16, 16, 3, padding=2, dilation=2)
        self.heat, self.paf = nn.Conv2d(16, 5, 1), nn.Conv2d(16, 8, 1)
        self.refine_heat, self.refine_paf = nn.Conv2d(29, 5, 3, 1, 1), nn.Conv2d(29, 8, 3, 1, 1)

    def forward(self, x):
        features = F.elu(self.trunk(self.model(x)))
        stages_output = [self.heat(features), self.paf(features)]
        refined = torch.cat([features, stages_output[-2], stages_output[-1]], dim=1)
        stages_output.extend([self.refine_heat(refined), self.refine_paf(refined)])
        return stages_output


class MultiScaleLandmarks(nn.Module):
    """PFLD: maps of three sizes pooled and flattened side by side into one linear layer."""

    def __init__(self, points=8):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.Conv2d(8, 12, 3, 2, 1),
            nn.Conv2d(12, 16, 4, 1, 0),
        )
        self.relu, self.avg_pool1, self.avg_pool2 = nn.ReLU(inplace=True), nn.AvgPool2d(16), nn.AvgPool2d(8)
        self.fc = nn.Linear(8 + 12 + 16 * 25, 2 * points)

    def forward(self, x):
        x1 = self.relu(self.conv1(x))
        x2 = self.relu(self.conv2(x1))
        x3 = self.relu(self.conv3(x2))
        multi_scale = torch.cat(
            [
                self.avg_pool1(x1).view(x.size(0), -1),
                self.avg_pool2(x2).view(x.size(0), -1),
                x3.view(x.size(0), -1),
            ],
            1,
        )
        return self.fc(multi_scale)


NETWORKS = rows(
    "pose",
    {
        "soft_argmax": (SoftArgmax, image(32, 24)),
        "quarter_offset": (QuarterOffset, image(48)),
        "coordinate_classes": (CoordinateClasses, image(32, 24)),
        "hourglass": (Hourglass, image(32)),
        "part_fields": (PartFields, image(64)),
        "multi_scale_landmarks": (MultiScaleLandmarks, image(32)),
    },
)
