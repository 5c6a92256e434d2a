"""A network of 1,500 operators: ``--model view_checks.networks:deep``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BLOCKS", "Deep", "deep"]

BLOCKS = 230  # of six operators and more
_SKIPS = 12  # connections from the first half to the second, one within the other


class _Block(nn.Module):
    """Two branches and a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels, channels, 1)
        self.wide = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.narrow(x)) * torch.sigmoid(self.gate(self.wide(x)))


class Deep(nn.Module):
    """Blocks in two halves, with connections over up to all of them."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        self.down = nn.ModuleList(_Block(channels) for _ in range(BLOCKS // 2))
        self.up = nn.ModuleList(_Block(channels) for _ in range(BLOCKS // 2))
        self.head = nn.Linear(channels, 10)

    def forward(self, image: Tensor) -> Tensor:
        x, kept = self.stem(image), []
        every = len(self.down) // _SKIPS
        for index, block in enumerate(self.down):
            x = block(x)
            if index % every == 0:
                kept.append(x)
        for index, block in enumerate(self.up):
            x = block(x)
            if index % every == every - 1 and kept:
                x = x + kept.pop()
        return self.head(x.mean((2, 3)))


def deep() -> nn.Module:
    """With random weights, always the same."""
    torch.manual_seed(0)
    return Deep()
