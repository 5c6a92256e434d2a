"""Intervals of figures that are no shares of images: what they would be on images drawn again (Efron, 1979).

As many images as there are, each drawn with replacement, many times over, and the same draws for every model: so two models are
compared image by image, and what they share does not widen the interval of their difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["DRAWS", "Estimate", "Fall", "draws"]

DRAWS = 1000
_SEED = 20_303_17
_TAILS = (2.5, 97.5)

Floats = npt.NDArray[np.float64]


def draws(images: int) -> Iterator[Floats]:
    """How often each image is in each of the draws."""
    draw = np.random.Generator(np.random.PCG64(_SEED))
    for _ in range(DRAWS):
        yield np.bincount(draw.integers(0, images, images), minlength=images).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure from 0 to 1, and what it is in each draw; NaN where a draw has nothing to measure it on."""

    value: float
    drawn: Floats

    @property
    def interval(self) -> tuple[float, float]:
        """At 95 %."""
        return _middle(self.drawn)

    def to_json(self, name: str) -> dict[str, object]:
        return {
            name: self.value if math.isfinite(self.value) else None,
            f"{name}_interval": list(self.interval),
        }


@dataclass(frozen=True)
class Fall:
    """By how much a figure falls from a reference's to another model's, with the interval of that at 95 %."""

    value: float
    interval: tuple[float, float]
    images: int

    @classmethod
    def of(cls, reference: Estimate, other: Estimate, images: int) -> Fall:
        """Of figures on the same images."""
        return cls(reference.value - other.value, _middle(reference.drawn - other.drawn), images)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.2%} (95 %: {low:.2%} to {high:.2%}; {self.images:,} images)"

    def is_within(self, most: float) -> bool:
        """Whether it is shown that no more than ``most`` is lost: the whole interval ends there, or before."""
        return self.interval[1] <= most

    def to_json(self) -> dict[str, object]:
        return {"value": self.value, "interval": list(self.interval), "images": self.images}


def _middle(drawn: Floats) -> tuple[float, float]:
    told = drawn[np.isfinite(drawn)]
    low, high = np.percentile(told, _TAILS) if told.size else (-1.0, 1.0)
    return float(low), float(high)
