"""What Core ML's pooling is said to compute, window by window, in numpy: coremltools' ``iOS15/pool.py`` for where windows
lie, its issue 2772 for what a mean is divided by, WebNN's issue 935 for a window of padding alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Sides = Sequence[tuple[int, int]]
Place = tuple[tuple[int, ...], tuple[slice, ...]]


def average(
    x: NDArray[np.generic],
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: Sides,
    ceil_mode: bool,
    exclude_padding: bool,
) -> NDArray[np.float64]:
    """The sum of what a window has of ``x``, by how much that is or, with padding, by its size."""
    result = np.empty((*x.shape[:2], *shape(x, kernel, strides, padding, ceil_mode)))
    for place, seen in _windows(x, kernel, strides, padding, ceil_mode):
        numbers = x[(slice(None), slice(None), *seen)].reshape(*x.shape[:2], -1).astype(np.float64)
        count = numbers.shape[2] if exclude_padding else math.prod(kernel)
        result[(slice(None), slice(None), *place)] = numbers.sum(2) / count
    return result


def largest(
    x: NDArray[np.generic], kernel: Sequence[int], strides: Sequence[int], padding: Sides, ceil_mode: bool
) -> NDArray[np.float64]:
    result = np.empty((*x.shape[:2], *shape(x, kernel, strides, padding, ceil_mode)))
    for place, seen in _windows(x, kernel, strides, padding, ceil_mode):
        numbers = x[(slice(None), slice(None), *seen)].reshape(*x.shape[:2], -1).astype(np.float64)
        result[(slice(None), slice(None), *place)] = numbers.max(2, initial=-np.inf)
    return result


def shape(
    x: NDArray[np.generic], kernel: Sequence[int], strides: Sequence[int], padding: Sides, ceil_mode: bool
) -> tuple[int, ...]:
    """How many windows lie on each spatial axis."""
    counts = []
    for size, k, stride, (low, high) in zip(x.shape[2:], kernel, strides, padding, strict=True):
        steps = (size + low + high - k) / stride
        count = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
        if ceil_mode and low + high > 0 and (count - 1) * stride >= size + low:
            count -= 1
        counts.append(count)
    return tuple(counts)


def _windows(
    x: NDArray[np.generic], kernel: Sequence[int], strides: Sequence[int], padding: Sides, ceil_mode: bool
) -> Iterator[Place]:
    for place in itertools.product(*map(range, shape(x, kernel, strides, padding, ceil_mode))):
        axes = zip(place, x.shape[2:], kernel, strides, padding, strict=True)
        starts = [(index * stride - low, size, k) for index, size, k, stride, (low, _) in axes]
        yield place, tuple(slice(max(start, 0), max(min(start + k, size), 0)) for start, size, k in starts)
