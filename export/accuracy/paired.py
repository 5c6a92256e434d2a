"""Whether one classifier is right less often than another, asked on the same images.

Most images say nothing of it: both models are right, or both are wrong. So few images tell much, and the interval is that of
paired proportions: Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
design, Statistics in Medicine 17 (1998), 891-908. It is the set of all drops that a score test at 5 % does not refuse, and has
a width where not one image differs too, which the usual normal interval has not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from cloformer.io.words import count

from .scores import Z

__all__ = ["Drop", "score_interval"]

_HALVINGS = 60  # of an interval within 2, to a rounding of float64
_MOST_IMAGES = 10**12


@dataclass(frozen=True)
class Drop:
    """By how much the share of right first guesses falls from a reference to another model: on ``lost`` of ``images`` the
    reference alone is right, on ``gained`` the other alone."""

    lost: int
    gained: int
    images: int

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.value:.2%} (95 %: {low:.2%} to {high:.2%}; {self.lost:,} lost, {self.gained:,} gained of "
            f"{count(self.images, 'image')})"
        )

    @property
    def value(self) -> float:
        """Below 0 if the other is right more often."""
        return (self.lost - self.gained) / self.images

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the drop."""
        return score_interval(self.lost, self.gained, self.images)

    def is_within(self, most: float) -> bool:
        """Whether it is shown that no more than ``most`` is lost: the whole interval ends there, or before."""
        return self.interval[1] <= most

    def images_needed(self, most: float) -> int | None:
        """On how many images the interval would end at ``most`` if as large a share of them differed as here; None where no
        number would do, for as much is lost, or more."""
        if self.value >= most:
            return None
        low, high = 0, self.images
        while not self._would_be_within(most, high):
            if high > _MOST_IMAGES:
                return None
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._would_be_within(most, middle) else (middle, high)
        return high

    def _would_be_within(self, most: float, images: int) -> bool:
        share = images / self.images
        return _highest(self.lost * share, self.gained * share, images) <= most

    def to_json(self) -> dict[str, object]:
        return {
            "value": self.value,
            "interval": list(self.interval),
            "lost": self.lost,
            "gained": self.gained,
            "images": self.images,
        }


def score_interval(lost: float, gained: float, images: float) -> tuple[float, float]:
    """Tango's 95 % interval of (lost - gained) / images."""
    return -_highest(gained, lost, images), _highest(lost, gained, images)


def _highest(lost: float, gained: float, images: float) -> float:
    """The largest drop that is not refused; the test statistic falls from the measured drop on."""
    low, high = (lost - gained) / images, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_refused = (images * middle - (lost - gained)) ** 2 > Z**2 * images * _variance(
            middle, lost, gained, images
        )
        low, high = (low, middle) if is_refused else (middle, high)
    return high


def _variance(drop: float, lost: float, gained: float, images: float) -> float:
    """Of one image's difference, where the true drop is ``drop`` and the rest is as likely as it can be: 2 q + drop (1 - drop),
    with q the share of images that only the other model knows. The likelihood is largest at the root of 2 n q^2 + b q + c."""
    b = (2 * images - lost + gained) * drop - lost - gained
    c = -gained * drop * (1 - drop)
    root = math.sqrt(max(b * b - 8 * images * c, 0.0))
    q = -2 * c / (b + root) if b > 0 else (root - b) / (4 * images)
    return max(2 * q + drop * (1 - drop), 0.0)
