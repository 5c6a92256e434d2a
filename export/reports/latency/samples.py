"""Many samples as few marks: what a chart of measured values shows, and how much of them it leaves out.

Nothing is dropped: a value too far out for an axis counts as ``below`` or ``beyond``, and a stretch of samples
says its least and its largest.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ...latency.statistics import percentile
from ..shared.axis import round_step

__all__ = ["Spread", "Stretch", "around", "course", "spread", "together"]

_FENCE = (
    1.5  # of the range that nine tenths of the samples span: what is further out than that is off the axis
)
_NARROWEST = 0.02  # of the median: the least that an axis spans
_BINS, _STRETCHES = 40, 120  # at most: on a narrow screen, marks are still two pixels wide


@dataclass(frozen=True)
class Spread:
    """How many samples lie from ``start + k * width`` on, up to the next. ``below`` and ``beyond`` are the
    samples outside."""

    start: float
    width: float
    counts: tuple[int, ...]
    below: int
    beyond: int

    @property
    def end(self) -> float:
        return self.start + self.width * len(self.counts)


@dataclass(frozen=True)
class Stretch:
    """Samples that were measured one after the other, ``first`` to ``last``, counted from 1. The middle half of
    them, more or less, lies from ``lower`` to ``upper``."""

    first: int
    last: int
    low: float
    lower: float
    median: float
    upper: float
    high: float


def around(values: Sequence[float]) -> tuple[float, float]:
    """The range worth drawing: all of it, but what is far from the nine tenths in the middle."""
    low, high = percentile(values, 5), percentile(values, 95)
    room = _FENCE * (high - low)
    low, high = max(min(values), low - room), min(max(values), high + room)
    margin = max(_NARROWEST * statistics.median(values) - (high - low), 0.08 * (high - low)) / 2
    return low - margin, high + margin


def spread(values: Sequence[float]) -> Spread:
    """The bins of a histogram of the range worth drawing."""
    low, high = around(values)
    width = round_step((high - low) / _BINS)
    first = math.floor(low / width)
    counts = [0] * (math.ceil(high / width) - first)
    below = beyond = 0
    for value in values:
        place = math.floor(value / width) - first
        if place < 0:
            below += 1
        elif place >= len(counts):
            beyond += 1
        else:
            counts[place] += 1
    return Spread(first * width, width, tuple(counts), below, beyond)


def together(samples: int, most: int = _STRETCHES) -> int:
    """How many samples a stretch has, so that there are ``most`` stretches at most."""
    return max(1, -(-samples // most))


def course(values: Sequence[float], each: int, before: int = 0) -> list[Stretch]:
    """Every sample, ``each`` in a stretch; the last may have fewer. ``before`` is how many samples came before."""
    stretches = []
    for start in range(0, len(values), each):
        part = values[start : start + each]
        stretches.append(
            Stretch(
                first=before + start + 1,
                last=before + start + len(part),
                low=min(part),
                lower=percentile(part, 25),
                median=statistics.median(part),
                upper=percentile(part, 75),
                high=max(part),
            )
        )
    return stretches
