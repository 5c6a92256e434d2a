"""Detection with what decodes it: boxes and scores, not the maps behind them."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from ..table import image, rows


def backbone(*widths):
    layers = []
    for inp, out in zip((3, *widths), widths):
        layers += [nn.Conv2d(inp, out, 3, 2, 1, bias=False), nn.BatchNorm2d(out), nn.SiLU()]
    return nn.Sequential(*layers)


class Anchors(nn.Module):
    """YOLOv5: offsets to anchors on two grids, which are made as they are needed and kept."""

    stride = (4.0, 8.0)

    def __init__(self, nc=4, anchors=((5, 7, 10, 8), (16, 12, 20, 30))):
        super().__init__()
        self.no, self.nl, self.na = nc + 5, len(anchors), len(anchors[0]) // 2
        self.one, self.two = (
            backbone(8, 12),
            nn.Sequential(nn.Conv2d(12, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.SiLU()),
        )
        self.grid = [torch.empty(0) for _ in range(self.nl)]
        self.register_buffer("anchors", torch.tensor(anchors).float().view(self.nl, -1, 2))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in (12, 16))

    def forward(self, x):
        x = [self.one(x)]
        x.append(self.two(x[0]))
        z = []
        for i in range(self.nl):
            x[i] = self.m[i](x[i])
            bs, _, ny, nx = x[i].shape
            x[i] = x[i].view(bs, self.na, self.no, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
            if self.grid[i].shape[2:4] != x[i].shape[2:4]:
                yv, xv = torch.meshgrid(torch.arange(ny), torch.arange(nx), indexing="ij")
                self.grid[i] = torch.stack((xv, yv), 2).expand((1, self.na, ny, nx, 2)).float() - 0.5
            xy, wh, conf = x[i].sigmoid().split((2, 2, self.no - 4), 4)
            xy = (xy * 2 + self.grid[i]) * self.stride[i]
            wh = (wh * 2) ** 2 * self.anchors[i].view(1, self.na, 1, 1, 2)
            z.append(torch.cat((xy, wh, conf), 4).view(bs, self.na * nx * ny, self.no))
        return torch.cat(z, 1)


class DFL(nn.Module):
    def __init__(self, c1=16):
        super().__init__()
        self.conv = nn.Conv2d(c1, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = nn.Parameter(torch.arange(c1, dtype=torch.float).view(1, c1, 1, 1))
        self.c1 = c1

    def forward(self, x):
        b, _, a = x.shape
        return self.conv(x.view(b, 4, self.c1, a).transpose(2, 1).softmax(1)).view(b, 4, a)


class DistributionBoxes(nn.Module):
    """YOLOv8: distances to the four sides as the mean of a distribution over bins."""

    def __init__(self, nc=3, reg_max=8):
        super().__init__()
        self.nc, self.reg_max, self.stride = nc, reg_max, (4, 8)
        self.p1, self.p2 = backbone(8, 16), nn.Conv2d(16, 16, 3, 2, 1)
        self.cv2 = nn.ModuleList(nn.Conv2d(16, 4 * reg_max, 1) for _ in range(2))
        self.cv3 = nn.ModuleList(nn.Conv2d(16, nc, 1) for _ in range(2))
        self.dfl = DFL(reg_max)

    def make_anchors(self, feats, offset=0.5):
        points, strides = [], []
        for feat, stride in zip(feats, self.stride):
            h, w = feat.shape[2:]
            sx = torch.arange(end=w, dtype=feat.dtype, device=feat.device) + offset
            sy = torch.arange(end=h, dtype=feat.dtype, device=feat.device) + offset
            sy, sx = torch.meshgrid(sy, sx, indexing="ij")
            points.append(torch.stack((sx, sy), -1).view(-1, 2))
            strides.append(torch.full((h * w, 1), stride, dtype=feat.dtype))
        return torch.cat(points).transpose(0, 1), torch.cat(strides).transpose(0, 1)

    def forward(self, x):
        one = self.p1(x)
        feats = [one, self.p2(one)]
        y = [torch.cat((self.cv2[i](feat), self.cv3[i](feat)), 1) for i, feat in enumerate(feats)]
        x_cat = torch.cat([xi.view(xi.shape[0], 4 * self.reg_max + self.nc, -1) for xi in y], 2)
        box, cls = x_cat.split((self.reg_max * 4, self.nc), 1)
        anchors, strides = self.make_anchors(y)
        lt, rb = self.dfl(box).chunk(2, 1)
        x1y1, x2y2 = anchors.unsqueeze(0) - lt, anchors.unsqueeze(0) + rb
        dbox = torch.cat(((x1y1 + x2y2) / 2, x2y2 - x1y1), 1) * strides
        return torch.cat((dbox, cls.sigmoid()), 1)


class Priors(nn.Module):
    """SSD: boxes beside default boxes, decoded with variances; two tensors."""

    variances = (0.1, 0.2)

    def __init__(self, classes=4):
        super().__init__()
        self.classes = classes
        self.body = nn.ModuleList([backbone(8, 16, 16), nn.Sequential(nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())])
        self.loc = nn.ModuleList([nn.Conv2d(16, 2 * 4, 3, padding=1) for _ in range(2)])
        self.conf = nn.ModuleList([nn.Conv2d(16, 2 * classes, 3, padding=1) for _ in range(2)])
        mean = []
        for size in (4, 2):
            for i in range(size):
                for j in range(size):
                    cx, cy = (j + 0.5) / size, (i + 0.5) / size
                    mean += [cx, cy, 0.6 / size, 0.6 / size, cx, cy, math.sqrt(0.6 * 0.9) / size, 0.9 / size]
        self.register_buffer("priors", torch.tensor(mean).view(-1, 4).clamp_(max=1, min=0))

    def forward(self, x):
        loc, conf = [], []
        for body, to_loc, to_conf in zip(self.body, self.loc, self.conf):
            x = body(x)
            loc.append(to_loc(x).permute(0, 2, 3, 1).contiguous())
            conf.append(to_conf(x).permute(0, 2, 3, 1).contiguous())
        loc = torch.cat([o.view(o.size(0), -1) for o in loc], 1).view(x.size(0), -1, 4)
        conf = torch.cat([o.view(o.size(0), -1) for o in conf], 1).view(x.size(0), -1, self.classes)
        priors = self.priors
        boxes = torch.cat(
            (
                priors[:, :2] + loc[:, :, :2] * self.variances[0] * priors[:, 2:],
                priors[:, 2:] * torch.exp(loc[:, :, 2:] * self.variances[1]),
            ),
            2,
        )
        boxes[:, :, :2] -= boxes[:, :, 2:] / 2
        boxes[:, :, 2:] += boxes[:, :, :2]
        return boxes, F.softmax(conf, dim=-1)


def _gather_feat(feat, ind):
    dim = feat.size(2)
    ind = ind.unsqueeze(2).expand(ind.size(0), ind.size(1), dim)
    return feat.gather(1, ind)


class Peaks(nn.Module):
    """CenterNet: the highest places of a heat map that are the largest around them, with what other maps say there."""

    def __init__(self, classes=3, K=10):
        super().__init__()
        self.K, self.body = K, backbone(16, 24)
        self.hm, self.wh, self.reg = nn.Conv2d(24, classes, 1), nn.Conv2d(24, 2, 1), nn.Conv2d(24, 2, 1)

    def forward(self, x):
        y = self.body(x)
        heat = self.hm(y).sigmoid_()
        hmax = F.max_pool2d(heat, (3, 3), stride=1, padding=1)
        heat = heat * (hmax == heat).float()
        batch, cat, height, width = heat.size()
        scores, inds = torch.topk(heat.view(batch, -1), self.K)
        clses = (inds // (height * width)).float()
        inds = inds % (height * width)
        ys, xs = torch.div(inds, width, rounding_mode="floor").float(), (inds % width).float()
        reg = _gather_feat(self.reg(y).permute(0, 2, 3, 1).reshape(batch, -1, 2), inds)
        wh = _gather_feat(self.wh(y).permute(0, 2, 3, 1).reshape(batch, -1, 2), inds)
        xs = xs.view(batch, self.K, 1) + reg[:, :, 0:1]
        ys = ys.view(batch, self.K, 1) + reg[:, :, 1:2]
        bboxes = torch.cat(
            [xs - wh[..., 0:1] / 2, ys - wh[..., 1:2] / 2, xs + wh[..., 0:1] / 2, ys + wh[..., 1:2] / 2], 2
        )
        return torch.cat([bboxes, scores.unsqueeze(2), clses.unsqueeze(2)], dim=2)


class Scale(nn.Module):
    def __init__(self, init=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(init))

    def forward(self, x):
        return x * self.scale


class Detections(NamedTuple):
    boxes: torch.Tensor
    scores: torch.Tensor
    levels: list


class CenterNess(nn.Module):
    """FCOS: a head that levels share, a learned scale for each, scores times centre-ness; a named tuple with a list."""

    def __init__(self, classes=4):
        super().__init__()
        self.body, self.down = backbone(8, 16), nn.Conv2d(16, 16, 3, 2, 1)
        tower = [nn.Conv2d(16, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU()]
        self.tower = nn.Sequential(*tower)
        self.cls_logits, self.bbox_pred, self.ctrness = (
            nn.Conv2d(16, n, 3, padding=1) for n in (classes, 4, 1)
        )
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - 0.01) / 0.01))
        self.scales = nn.ModuleList([Scale() for _ in range(2)])

    def forward(self, x):
        p3 = self.body(x)
        boxes, scores, levels = [], [], []
        for level, feature in enumerate((p3, self.down(F.relu(p3)))):
            tower, stride = self.tower(feature), 4 * 2**level
            ltrb = F.relu(self.scales[level](self.bbox_pred(tower))) * stride
            h, w = feature.size()[-2:]
            ys = torch.arange(0, h * stride, step=stride, dtype=torch.float32)
            xs = torch.arange(0, w * stride, step=stride, dtype=torch.float32)
            shift_y, shift_x = torch.meshgrid(ys, xs, indexing="ij")
            locations = torch.stack((shift_x.reshape(-1), shift_y.reshape(-1)), dim=1) + stride // 2
            ltrb = ltrb.flatten(2).permute(0, 2, 1)
            boxes.append(torch.stack([
                locations[:, 0] - ltrb[..., 0], locations[:, 1] - ltrb[..., 1],
                locations[:, 0] + ltrb[..., 2], locations[:, 1] + ltrb[..., 3],
            ], dim=-1))  # fmt: skip
            score = self.cls_logits(tower).sigmoid() * self.ctrness(tower).sigmoid()
            scores.append(score.permute(0, 2, 3, 1).flatten(1, 2).sqrt())
            levels.append(feature)
        return Detections(torch.cat(boxes, 1).clamp(min=0, max=x.shape[-1]), torch.cat(scores, 1), levels)


class Queries(nn.Module):
    """DETR: a transformer of PyTorch between pixels and learned queries; positions of rows and columns are learned too."""

    def __init__(self, dim=32, classes=5, queries=6):
        super().__init__()
        self.backbone, self.conv = backbone(8, 16), nn.Conv2d(16, dim, 1)
        self.transformer = nn.Transformer(dim, 4, 1, 1, dim_feedforward=64)
        self.linear_class, self.linear_bbox = nn.Linear(dim, classes + 1), nn.Linear(dim, 4)
        self.query_pos = nn.Parameter(torch.rand(queries, dim))
        self.row_embed, self.col_embed = (nn.Parameter(torch.rand(20, dim // 2)) for _ in range(2))

    def forward(self, inputs):
        h = self.conv(self.backbone(inputs))
        H, W = h.shape[-2:]
        pos = torch.cat(
            [self.col_embed[:W].unsqueeze(0).repeat(H, 1, 1), self.row_embed[:H].unsqueeze(1).repeat(1, W, 1)], dim=-1
        ).flatten(0, 1).unsqueeze(1)  # fmt: skip
        h = self.transformer(
            pos + 0.1 * h.flatten(2).permute(2, 0, 1), self.query_pos.unsqueeze(1)
        ).transpose(0, 1)
        return {"pred_logits": self.linear_class(h), "pred_boxes": self.linear_bbox(h).sigmoid()}


class RotatedText(nn.Module):
    """EAST: scores of text and boxes with an angle between -45 and 45 degrees."""

    def __init__(self):
        super().__init__()
        self.body = backbone(8, 16)
        self.score, self.box, self.angle = nn.Conv2d(16, 1, 1), nn.Conv2d(16, 4, 1), nn.Conv2d(16, 1, 1)

    def forward(self, x):
        y = self.body(x)
        score = torch.sigmoid(self.score(y))
        loc = torch.sigmoid(self.box(y)) * 512
        angle = (torch.sigmoid(self.angle(y)) - 0.5) * math.pi
        geo = torch.cat((loc, angle, angle.cos(), angle.sin()), 1)
        return score, geo


NETWORKS = rows(
    "detection",
    {
        "anchors": (Anchors, image(32)),
        "distribution_boxes": (DistributionBoxes, image(32, 48)),
        "priors": (Priors, image(32)),
        "peaks": (Peaks, image(64)),
        "center_ness": (CenterNess, image(32)),
        "queries": (Queries, image(24)),
        "rotated_text": (RotatedText, image(32)),
    },
)
