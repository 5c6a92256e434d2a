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

from cloformer.io.words import count

__all__ = ["DRAWS", "LEAST_IMAGES", "Estimate", "Fall", "draws"]

DRAWS = 1000
LEAST_IMAGES = (
    20  # with fewer, images drawn again are too much alike: the interval would be narrower than what is known
)
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
    """A figure from 0 to 1 on so many ``images``, and what it is in each draw; NaN where a draw has nothing to measure it on."""

    value: float
    drawn: Floats
    images: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """At 95 %; None of too few images."""
        return _middle(self.drawn, self.images)

    def to_json(self, name: str) -> dict[str, object]:
        value = self.value if math.isfinite(self.value) else None
        return {name: value, f"{name}_interval": None if self.interval is None else list(self.interval)}


@dataclass(frozen=True)
class Fall:
    """By how much a figure falls from a reference's to another model's, with the interval of that at 95 %; None of too few images."""

    value: float
    interval: tuple[float, float] | None
    images: int

    @classmethod
    def of(cls, reference: Estimate, other: Estimate) -> Fall:
        """Of figures on the same images."""
        interval = _middle(reference.drawn - other.drawn, other.images)
        return cls(reference.value - other.value, interval, other.images)

    def __str__(self) -> str:
        shown = f"{self.value:.2%} on {count(self.images, 'image')}"
        if self.interval is None:
            return f"{shown}, and an interval takes {LEAST_IMAGES}"
        return f"{shown} (95 %: {self.interval[0]:.2%} to {self.interval[1]:.2%})"

    def is_within(self, most: float) -> bool:
        """Whether it is shown that no more than ``most`` is lost: the whole interval ends there, or before."""
        return self.interval is not None and self.interval[1] <= most

    def to_json(self) -> dict[str, object]:
        interval = None if self.interval is None else list(self.interval)
        return {"value": self.value, "interval": interval, "images": self.images}


def _middle(drawn: Floats, images: int) -> tuple[float, float] | None:
    told = drawn[np.isfinite(drawn)]
    if images < LEAST_IMAGES or not told.size:
        return None
    low, high = np.percentile(told, _TAILS)
    return float(low), float(high)
