"""From a value's statistics to the two numbers that its 256 steps reach from and to: methods by name.

What lies beyond is rounded to the ends, what lies between to a step; the methods weigh one against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..source.quantization import LEVELS, Steps
from .statistics import BINS, Statistics

__all__ = ["Range", "range_of"]

Floats = npt.NDArray[np.float64]
Range = tuple[float, float]
_PERCENT_LEFT_OUT = 0.01
_SHARES = np.linspace(0.2, 1.0, 65)  # of an end, which are tried
_ROUNDS = 2  # in which one end is moved after the other


def range_of(found: Statistics, method: str) -> Range:
    """The lowest and the highest number that is to be told from its neighbours, by one of :data:`.methods.METHODS`."""
    return _METHODS[method](found)


def _min_max(found: Statistics) -> Range:
    """All that was seen."""
    return found.low, found.high


def _percentile(found: Statistics) -> Range:
    """All but 0.01 % of the numbers, half of it at each end; an end at zero stays."""
    total = int(found.counts.sum())
    if not total:
        return found.low, found.high
    share = np.cumsum(found.counts) / total
    edges = np.linspace(found.low, found.high, BINS + 1)
    out = _PERCENT_LEFT_OUT / 200
    first = int(np.searchsorted(share, out, side="right"))
    last = int(np.searchsorted(share, 1 - out, side="left"))
    return min(float(edges[first]), 0.0), max(float(edges[last + 1]), 0.0)


def _mse(found: Statistics) -> Range:
    """Where the mean squared error is least."""
    return _searched(found, _squared_error)


def _entropy(found: Statistics) -> Range:
    """Where the numbers' distribution loses the least by it: its Kullback-Leibler divergence (Migacz, 8-bit Inference with
    TensorRT, 2017). Zeros, which rectifiers make many of and every range has, are counted as their neighbours are."""
    counts = found.counts.copy()
    zero = int(np.clip(np.searchsorted(np.linspace(found.low, found.high, BINS + 1), 0.0), 1, BINS)) - 1
    counts[zero] = max(counts[place] for place in (zero - 1, zero + 1) if 0 <= place < BINS)
    return _searched(replace(found, counts=counts), _divergence)


def _searched(found: Statistics, loss: Callable[[Statistics, float, float], float]) -> Range:
    """Both ends drawn in alike, and then one after the other, to where ``loss`` is least; of equals the widest."""
    low, high = min(
        ((found.low * share, found.high * share) for share in _SHARES[::-1]),
        key=lambda ends: loss(found, *ends),
    )
    for _ in range(_ROUNDS):
        low = min((found.low * share for share in _SHARES[::-1]), key=lambda end: loss(found, end, high))
        high = min((found.high * share for share in _SHARES[::-1]), key=lambda end: loss(found, low, end))
    return low, high


def _squared_error(found: Statistics, low: float, high: float) -> float:
    """The sum over the numbers, each taken for the middle of its bin."""
    if low == high:
        return 0.0
    rounded = _steps(found.centers, low, high)
    return float((found.counts * (found.centers - rounded) ** 2).sum())


def _steps(values: Floats, low: float, high: float) -> Floats:
    steps = Steps.of(low, high, "float32")
    data = np.clip(np.round(values / steps.scale) + steps.zero_point, -128, 127)
    return (data - steps.zero_point) * steps.scale


def _divergence(found: Statistics, low: float, high: float) -> float:
    """Of the clipped numbers from what is left of them where all of a step are taken as spread evenly over its bins."""
    if low == high:
        return 0.0
    centers = np.clip(found.centers, low, high)
    inside = (found.centers >= low) & (found.centers <= high)
    if not inside.any():
        return np.inf
    kept = np.where(inside, found.counts, 0).astype(float)
    clipped = kept.copy()
    places = np.flatnonzero(inside)
    clipped[places[0]] += found.counts[: places[0]].sum()
    clipped[places[-1]] += found.counts[places[-1] + 1 :].sum()
    levels = np.round((centers - low) / (high - low) * (LEVELS - 1)).astype(int)
    filled = inside & (kept > 0)
    sums = np.bincount(levels[filled], weights=kept[filled], minlength=LEVELS)
    bins = np.bincount(levels[filled], minlength=LEVELS)
    spread = np.where(filled, sums[levels] / np.maximum(bins[levels], 1), 0.0)
    total, spread_total = clipped.sum(), spread.sum()
    if not spread_total:
        return np.inf
    there = clipped > 0
    p, q = clipped[there] / total, spread[there] / spread_total
    return float((p * np.log(p / np.maximum(q, 1e-12))).sum())


_METHODS: Mapping[str, Callable[[Statistics], Range]] = {
    "mse": _mse,
    "percentile": _percentile,
    "entropy": _entropy,
    "min-max": _min_max,
}
