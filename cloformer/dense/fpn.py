"""Semantic FPN: a class for each pixel (A. Kirillov et al., "Panoptic Feature Pyramid Networks", 2019, Section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .pyramid import FeaturePyramid, start_at

__all__ = ["SemanticFPN"]

_COMMON_STRIDE = 4


class ScaleHead(nn.Module):
    """A pyramid's map of stride 4 * 2**doublings to ``width`` channels at stride 4: as often as it must be doubled, 3x3 convolution,
    group norm, ReLU and bilinear doubling; the map of stride 4 has one such step without doubling."""

    def __init__(self, in_width: int, width: int, doublings: int, groups: int) -> None:
        super().__init__()
        self.doublings = doublings
        self.convs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(in_width if step == 0 else width, width, 3, padding=1, bias=False),
                nn.GroupNorm(groups, width),
                nn.ReLU(),
            )
            for step in range(max(1, doublings))
        )
        for step in self.convs:
            nn.init.kaiming_normal_(step[0].weight, nonlinearity="relu")  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = conv(x)
            if self.doublings:
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return x


class SemanticFPN(nn.Module):
    """Maps of strides 4, 8, 16, 32 to the scores of the classes at every pixel, (B, num_classes, H, W).

    A pyramid of ``pyramid_width`` channels, whose maps are brought to stride 4 and ``width`` channels and added; a 1x1 convolution
    to the classes, and four times the size, bilinear.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int = 150,
        *,
        pyramid_width: int = 256,
        width: int = 128,
        groups: int = 32,
    ) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(channels, pyramid_width)
        self.scale_heads = nn.ModuleList(
            ScaleHead(pyramid_width, width, doublings, groups) for doublings in range(len(channels))
        )
        self.predictor = nn.Conv2d(width, num_classes, 1)
        nn.init.kaiming_normal_(self.predictor.weight)
        start_at(self.predictor, 0.0)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        first, *others = [head(each) for head, each in zip(self.scale_heads, self.pyramid(maps), strict=True)]
        for each in others:
            first = first + each
        scale = float(_COMMON_STRIDE)
        return F.interpolate(self.predictor(first), scale_factor=scale, mode="bilinear", align_corners=False)
