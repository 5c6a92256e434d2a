"""Figures of measured times: pure functions on samples in seconds. Nothing is trimmed.

A percentile is the nearest rank's: of n sorted samples, the one in place ``ceil(percent * n / 100)``. It is
always a time that was measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "MAX_DRIFT",
    "MAX_TAIL",
    "MAX_VARIATION",
    "MIN_FOR_P90",
    "Interval",
    "Summary",
    "Verdict",
    "discarded",
    "drift",
    "early_stopping",
    "percentile",
    "ratio_interval",
    "stability",
    "summarize",
    "variation",
]

MAX_VARIATION = 0.05  # coefficient of variation above which a run is unstable
MAX_TAIL = 1.5  # p99 / p50, the same
MAX_DRIFT = 0.05  # by how much the first and the last tenth may differ
MIN_TO_JUDGE = 20  # queries: a tenth of fewer is one query, and p99 is the slowest
MIN_FOR_P90 = 64  # queries: what the rule below asks for at 90 percent
_CONFIDENCE = 0.99


@dataclass(frozen=True)
class Verdict:
    """``word`` is stable, unstable or drifting; ``reasons`` say why it is not stable."""

    word: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """Seconds, except ``n`` and the ratios ``variation`` (standard deviation over mean), ``tail`` (p99 over
    p50) and ``drift`` (last tenth over first tenth, less 1). None where there are too few samples."""

    n: int
    median: float
    p90: float | None  # by the early-stopping rule
    min: float
    mean: float
    std: float | None
    p95: float
    p99: float
    max: float
    variation: float | None
    tail: float
    drift: float | None


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its confidence interval at ``level``."""

    low: float
    value: float
    high: float
    level: float


def summarize(samples: Sequence[float]) -> Summary:
    """All figures of a run, in the order it was measured. :class:`ValueError` if there is no sample."""
    return Summary(
        n=len(samples),
        median=statistics.median(samples),
        p90=early_stopping(samples, 90),
        min=min(samples),
        mean=statistics.fmean(samples),
        std=statistics.stdev(samples) if len(samples) > 1 else None,
        p95=percentile(samples, 95),
        p99=percentile(samples, 99),
        max=max(samples),
        variation=variation(samples),
        tail=percentile(samples, 99) / percentile(samples, 50),
        drift=drift(samples),
    )


def percentile(samples: Sequence[float], percent: int) -> float:
    """The nearest rank's; :class:`ValueError` if there is no sample or ``percent`` is not from 1 to 100."""
    if not samples or not 1 <= percent <= 100:
        raise ValueError(f"no percentile {percent} of {len(samples)} samples")
    return sorted(samples)[-(-percent * len(samples) // 100) - 1]


def variation(samples: Sequence[float]) -> float | None:
    """The coefficient of variation: sample standard deviation over mean; None for fewer than two samples."""
    if len(samples) < 2:
        return None
    return statistics.stdev(samples) / statistics.fmean(samples)


def drift(samples: Sequence[float]) -> float | None:
    """Median of the last tenth over that of the first, less 1; None for too few samples to have tenths."""
    if len(samples) < MIN_TO_JUDGE:
        return None
    tenth = len(samples) // 10
    return statistics.median(samples[-tenth:]) / statistics.median(samples[:tenth]) - 1


def stability(summary: Summary) -> Verdict:
    """Whether the run's own samples agree with one another."""
    if summary.variation is None or summary.drift is None:
        return Verdict("unstable", (f"too few queries to tell: {summary.n}, and {MIN_TO_JUDGE} are needed",))
    reasons = []
    if summary.variation > MAX_VARIATION:
        reasons.append(f"coefficient of variation {summary.variation:.1%}, above {MAX_VARIATION:.0%}")
    if summary.tail > MAX_TAIL:
        reasons.append(f"p99 is {summary.tail:.2f} times p50, above {MAX_TAIL}")
    is_drifting = abs(summary.drift) > MAX_DRIFT
    if is_drifting:
        reasons.append(f"the last tenth is {summary.drift:+.1%} from the first, beyond {MAX_DRIFT:.0%}")
    return Verdict("drifting" if is_drifting else "unstable" if reasons else "stable", tuple(reasons))


def early_stopping(samples: Sequence[float], percent: int = 90) -> float | None:
    """The percentile that MLPerf reports for a single stream; None for too few samples to have one.

    The estimate is the smallest measured time of which one can say, with a confidence of 0.99 and no
    tolerance, that at least ``percent`` of all queries are no slower. It is never below the plain percentile.
    Source: MLPerf inference rules, "early stopping criterion", and LoadGen's ``early_stopping``.
    """
    slower = discarded(len(samples), percent)
    return None if slower is None else sorted(samples)[len(samples) - slower]


def discarded(queries: int, percent: int = 90) -> int | None:
    """How many of the slowest queries may lie at or above the estimate: at least 1, or None for too few queries.

    It is the largest t for which t or fewer slow queries would be seen with a probability below 0.01 if a
    query were slow with probability ``1 - percent / 100``.
    """
    slow = 1 - percent / 100
    log_of_all = math.lgamma(queries + 1)
    probability, found = 0.0, None
    for t in range(queries + 1):
        log_ways = log_of_all - math.lgamma(t + 1) - math.lgamma(queries - t + 1)
        probability += math.exp(log_ways + t * math.log(slow) + (queries - t) * math.log1p(-slow))
        if probability >= 1 - _CONFIDENCE:
            break
        found = t
    return found or None  # the rule starts at one slow query, not at none


def ratio_interval(
    first: Sequence[float],
    second: Sequence[float],
    *,
    level: float = 0.99,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The median of the paired ratios ``first / second``, and its interval by the percentile bootstrap.

    The same samples and seed always give the same interval. Raises :class:`ValueError` for samples that are
    no pairs, and for a time that is not above 0.
    """
    import numpy as np

    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} samples are no pairs")
    if min(*first, *second) <= 0:
        raise ValueError("a time is not above 0")
    ratios = np.asarray(first, np.float64) / np.asarray(second, np.float64)
    generator = np.random.Generator(np.random.PCG64(seed))
    at_once = max(1, 2**20 // len(ratios))  # bounds the memory
    medians = [
        np.median(
            ratios[generator.integers(0, len(ratios), (min(at_once, resamples - start), len(ratios)))], 1
        )
        for start in range(0, resamples, at_once)
    ]
    low, high = np.quantile(np.concatenate(medians), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(np.median(ratios)), float(high), level)
