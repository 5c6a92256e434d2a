"""What everything here is drawn with."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

__all__ = ["Draw", "Function", "Maker", "Shape"]

Item = TypeVar("Item")
Shape = tuple[int, int, int]  # of a map without its batch: channels, height, width
Maker = Callable[["Draw", Shape], nn.Module]


@dataclass(frozen=True)
class Draw:
    """A seeded source of choices."""

    random: random.Random

    def one_of(self, *items: Item) -> Item:
        return self.random.choice(items)

    def number(self, low: float, high: float) -> float:
        """With three digits, as people write them."""
        return round(self.random.uniform(low, high), 3)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def divisor(self, size: int, *, most: int = 8, least: int = 1) -> int:
        """One of the numbers that ``size`` is a multiple of."""
        return self.random.choice([n for n in range(least, min(size, most) + 1) if size % n == 0] or [1])


class Function(nn.Module):
    """A function as a layer; ``words`` say which."""

    def __init__(self, words: str, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.words, self.function = words, function

    def extra_repr(self) -> str:
        return self.words

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)
