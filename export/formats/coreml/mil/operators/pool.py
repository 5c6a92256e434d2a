"""Pooling (``pool.py``)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from cloformer.errors import InputError, UnsupportedError

from .._operator import Ints, operator
from ._narrow import half
from ._padding import Sides, pad_spatial, padding_of
from ._shapes import Span

MAX_PLACES = 1 << 20  # each is a step of its own: more of them would not end


@dataclass(frozen=True)
class _Windows:
    """Where windows lie on the spatial axes. ``padding`` has, behind each axis, what the last ones reach over in ceil mode."""

    kernel: list[int]
    strides: list[int]
    padding: Sides
    outputs: list[int]

    def over(self, x: Tensor, value: float) -> Iterator[Tensor]:
        """For every place in a window, what all windows have there: numbers of ``x``, or ``value`` where there are none."""
        padded = pad_spatial(x, self.padding, value)
        for place in itertools.product(*map(range, self.kernel)):
            axes = zip(place, self.outputs, self.strides, strict=True)
            seen = (slice(first, first + (count - 1) * step + 1, step) for first, count, step in axes)
            index: tuple[Span, ...] = (slice(None), slice(None), *seen)
            yield padded[index]


def _windows(
    x: Tensor, kernel: Ints, strides: Ints | None, pad_type: str, pad: Ints | None, ceil_mode: bool
) -> _Windows:
    """In ceil mode the last window may reach beyond the padding. It begins before the padding that is behind the input,
    unless the axis has no padding: then nothing is asked of where it begins."""
    rank = x.ndim - 2
    strides = strides or [1] * rank
    if min(*kernel, *strides) < 1:
        raise InputError(f"there are no windows of the sizes {kernel}, {strides} apart")
    if math.prod(kernel) > MAX_PLACES:
        raise UnsupportedError(f"a window of the size {kernel} has more than {MAX_PLACES} places")
    padding = padding_of(pad_type, pad, x.shape[2:], kernel, strides, [1] * rank)
    sides, outputs = [], []
    for size, k, stride, (low, high) in zip(x.shape[2:], kernel, strides, padding, strict=True):
        free = low + size + high - k
        count = (-(-free // stride) if ceil_mode else free // stride) + 1
        if ceil_mode and (count - 1) * stride >= size + low and low + high > 0:
            count -= 1
        if count < 1:
            raise InputError(f"a window of the size {k} does not fit into {low + size + high}")
        sides.append((low, high + max((count - 1) * stride - free, 0)))
        outputs.append(count)
    return _Windows(kernel, strides, sides, outputs)


def _counts(x: Tensor, windows: _Windows, exclude_padding: bool) -> Tensor | int:
    """How many numbers each window's mean is of: those of the input, or all that the window has room for. What ceil mode
    lets a window reach over is padding as any other (coremltools' issue 2772)."""
    if not exclude_padding:
        return math.prod(windows.kernel)
    return reduce(torch.add, windows.over(x.new_ones(1, 1, *x.shape[2:]), 0))


def _narrow_avg_pool(
    x: Tensor,
    kernel_sizes: Ints,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    ceil_mode: bool = False,
    exclude_padding_from_average: bool = False,
) -> Tensor:
    windows = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    total = reduce(lambda total, seen: half(total + seen), windows.over(x, 0))
    return half(total / _counts(x, windows, exclude_padding_from_average))


@operator("avg_pool", specification="iOS15/pool.py: avg_pool", narrow=_narrow_avg_pool)
def avg_pool(
    x: Tensor,
    kernel_sizes: Ints,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    ceil_mode: bool = False,
    exclude_padding_from_average: bool = False,
) -> Tensor:
    """The mean of each window."""
    windows = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    total = reduce(torch.add, windows.over(x, 0))
    return total / _counts(x, windows, exclude_padding_from_average)


def _narrow_l2_pool(
    x: Tensor,
    kernel_sizes: Ints,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    windows = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    squares = (half(seen * seen) for seen in windows.over(x, 0))
    return reduce(lambda total, square: half(total + square), squares).sqrt()


@operator("l2_pool", specification="iOS15/pool.py: l2_pool", narrow=_narrow_l2_pool)
def l2_pool(
    x: Tensor,
    kernel_sizes: Ints,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The square root of the sum of the squares of each window."""
    windows = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    return reduce(torch.add, (seen * seen for seen in windows.over(x, 0))).sqrt()


@operator("max_pool", specification="iOS15/pool.py: max_pool")
def max_pool(
    x: Tensor,
    kernel_sizes: Ints,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest of each window; padding never is, and where there is nothing else it is the negative infinity."""
    windows = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    return reduce(torch.maximum, windows.over(x, -math.inf))
