"""Feature pyramids (T.-Y. Lin et al., "Feature Pyramid Networks for Object Detection", 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FeaturePyramid", "start_at"]


class FeaturePyramid(nn.Module):
    """Maps of falling size, each half of the one before, to as many maps of ``width`` channels that know of all smaller ones.

    A 1x1 convolution brings each map to ``width``; from the smallest on, each is doubled (nearest) and added to the next
    larger; a 3x3 convolution gives each its result.
    """

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.width = width
        self.laterals = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        self.outputs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)
        for conv in (*self.laterals, *self.outputs):
            nn.init.kaiming_uniform_(conv.weight, a=1)
            start_at(conv, 0.0)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        merged = [lateral(each) for lateral, each in zip(self.laterals, maps, strict=True)]
        for place in range(len(merged) - 1, 0, -1):
            merged[place - 1] = merged[place - 1] + F.interpolate(
                merged[place], scale_factor=2.0, mode="nearest"
            )
        return [output(each) for output, each in zip(self.outputs, merged, strict=True)]


def start_at(conv: nn.Module, value: float) -> None:
    """Every bias of a convolution is ``value``."""
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    nn.init.constant_(conv.bias, value)
