"""RetinaNet: boxes with classes (T.-Y. Lin et al., "Focal Loss for Dense Object Detection", 2017, Section 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .boxes import RATIOS, SCALES, anchors_of_map, cell_anchors, decode
from .pyramid import FeaturePyramid, start_at

__all__ = ["RetinaNet"]

_STRIDES = (8, 16, 32, 64, 128)  # P3 to P7
_ANCHOR = 4  # times the stride: 32 to 512 pixels


class Branch(nn.Module):
    """``depth`` 3x3 convolutions with ReLU and one to ``outputs`` numbers for each anchor; one for all maps of the pyramid."""

    def __init__(self, width: int, depth: int, anchors: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.predictor = nn.Conv2d(width, anchors * outputs, 3, padding=1)
        for conv in (*self.convs, self.predictor):
            nn.init.normal_(conv.weight, std=0.01)
            start_at(conv, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to (B, H * W * anchors, outputs)."""
        for conv in self.convs:
            x = F.relu(conv(x))
        out: Tensor = self.predictor(x)
        return out.permute(0, 2, 3, 1).reshape(out.shape[0], -1, self.outputs)


class RetinaNet(nn.Module):
    """Maps of strides 4, 8, 16, 32 to boxes (B, N, 4), as :mod:`.boxes` says, and their scores (B, N, num_classes) from 0 to 1.

    The pyramid's maps P3 to P5 are of the last three, P6 a 3x3 convolution of stride 2 of the last, and P7 one of P6 after ReLU.
    At each place are 9 anchors; N counts those of P3 first. ``prior`` is the score that an untrained network gives.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int = 80,
        *,
        width: int = 256,
        depth: int = 4,
        prior: float = 0.01,
    ) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(channels[1:], width)
        self.p6 = nn.Conv2d(channels[-1], width, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        for conv in (self.p6, self.p7):
            nn.init.kaiming_uniform_(conv.weight, a=1)
            start_at(conv, 0.0)
        anchors = len(RATIOS) * len(SCALES)
        self.classes = Branch(width, depth, anchors, num_classes)
        self.deltas = Branch(width, depth, anchors, 4)
        start_at(self.classes.predictor, -math.log((1 - prior) / prior))

    def raw(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the classes (B, N, num_classes), what boxes differ by (B, N, 4), and the anchors (N, 4)."""
        p6 = self.p6(maps[-1])
        levels = [*self.pyramid(maps[1:]), p6, self.p7(F.relu(p6))]
        anchors = [
            anchors_of_map(level.shape[-2], level.shape[-1], stride, cell_anchors(_ANCHOR * stride))
            for level, stride in zip(levels, _STRIDES, strict=True)
        ]
        return (
            torch.cat([self.classes(level) for level in levels], dim=1),
            torch.cat([self.deltas(level) for level in levels], dim=1),
            torch.cat(anchors).to(maps[-1]),
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        logits, deltas, anchors = self.raw(maps)
        return decode(deltas, anchors), logits.sigmoid()
