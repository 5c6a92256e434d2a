"""Operators that ExecuTorch's runtime has no kernel for, or one of fewer axes, by others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .by_places import largest_of_any_parts
from .definitions import DEFINITIONS, NOT_ON_ANDROID
from .rewriter import Form, Rewriter, written
from .scatter_by_comparison import reduced_at_places
from .sort_by_topk import (
    median_by_topk,
    median_of_all_by_topk,
    nth_by_topk,
    order_by_topk,
    sorted_by_topk,
)
from .whole_remainders import remainder_by_floor

__all__ = ["WriteOutForExecutorch"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WriteOutForExecutorch(Pass):
    """Write what ExecuTorch has no kernel for by operators that it has one for: some by the same definitions as for Core ML
    (:mod:`.definitions`), and convolutions and poolings of volumes by those of their images."""

    law: ClassVar[str] = (
        "an operator = its definition by others; conv3d(x, W)[t] = sum over k of conv2d(x[s t + d k], W[k]), for one"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(_WRITTEN_OUT)


def _images(volumes: Tensor) -> Tensor:
    """Each slice of (batch, channels, depth, height, width) as an image."""
    return volumes.transpose(1, 2).flatten(0, 1)


def _volumes(images: Tensor, batch: int) -> Tensor:
    return images.reshape(batch, -1, *images.shape[1:]).transpose(1, 2)


def _convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int], dilation: list[int], groups: int
) -> Any:  # fmt: skip
    """A convolution of images for each slice of the kernel, over every so many of the slices, and their sum."""
    if input.ndim != 5:
        return NotImplemented
    taps = weight.shape[2]
    x = F.pad(input, (0, 0, 0, 0, padding[0], padding[0])) if padding[0] else input
    count = (x.shape[2] - dilation[0] * (taps - 1) - 1) // stride[0] + 1
    total = None
    for tap in range(taps):
        begin = tap * dilation[0]
        seen = x[:, :, begin : begin + (count - 1) * stride[0] + 1 : stride[0]]
        shift = bias if tap == 0 else None
        made = F.conv2d(
            _images(seen), weight[:, :, tap], shift, stride[1:], padding[1:], dilation[1:], groups
        )
        total = made if total is None else total + made
    return NotImplemented if total is None else _volumes(total, input.shape[0])


def _each_way(
    pool: Callable[..., Tensor], x: Tensor, sizes: Sequence[Sequence[int]], ceil_mode: bool
) -> Tensor:
    """Over height and width, and then over depth; ``sizes`` are those of the windows, their steps, their borders."""
    across = pool(_images(x), *(size[1:] for size in sizes), ceil_mode=ceil_mode)
    flat = _volumes(across, x.shape[0]).flatten(-2)
    along = pool(
        flat.flatten(0, 1),
        *((size[0], single) for size, single in zip(sizes, (1, 1, 0), strict=True)),
        ceil_mode=ceil_mode,
    )
    return along.reshape(*x.shape[:2], -1, *across.shape[-2:])


def _largest(
    self: Tensor, kernel_size: list[int], stride: list[int], padding: list[int], dilation: list[int], ceil_mode: bool
) -> Any:  # fmt: skip
    """The largest of the largest of each slice."""
    kernel, steps, borders, gaps = (
        _three(sizes) for sizes in (kernel_size, stride or kernel_size, padding, dilation)
    )
    if self.ndim != 5 or any(gap != 1 for gap in gaps):
        return NotImplemented
    return _each_way(F.max_pool2d, self, (kernel, steps, borders), ceil_mode)


def _mean(
    self: Tensor, kernel_size: list[int], stride: list[int], padding: list[int], ceil_mode: bool, count_include_pad: bool,
    divisor_override: int | None,
) -> Any:  # fmt: skip
    """The mean of the means of each slice, where all windows have as many numbers."""
    kernel, steps, borders = (_three(sizes) for sizes in (kernel_size, stride or kernel_size, padding))
    is_whole = not ceil_mode and divisor_override is None and (count_include_pad or not any(borders))
    return (
        _each_way(F.avg_pool2d, self, (kernel, steps, borders), False)
        if self.ndim == 5 and is_whole
        else NotImplemented
    )


def _three(sizes: Sequence[int]) -> Sequence[int]:
    return list(sizes) * 3 if len(sizes) == 1 else sizes


def _mean_of_planes(self: Tensor, dim: list[int] | None, keepdim: bool, dtype: torch.dtype | None) -> Any:
    """With the axes of one that XNNPACK's has, and then without."""
    axes = sorted(axis % self.ndim for axis in dim or ())
    if keepdim or dtype is not None or self.ndim != 4 or axes != [2, 3]:
        return NotImplemented
    return self.mean((2, 3), True).reshape(self.shape[:2])


def _hard_sigmoid(self: Tensor) -> Tensor:
    """A line with bounds: XNNPACK has none of its own, and each would be alone outside."""
    return (self + 3.0).clamp(0.0, 6.0) * (1 / 6)


def _one_by_one(self: Tensor, dim: int) -> list[Tensor]:
    """Slices, which the delegate has; it has no split."""
    return [self.narrow(dim, place, 1).squeeze(dim) for place in range(self.shape[dim])]


def _parts_of(self: Tensor, split_size: int, dim: int) -> list[Tensor]:
    size = self.shape[dim]
    return [self.narrow(dim, at, min(split_size, size - at)) for at in range(0, size, split_size)]


def _parts_of_sizes(self: Tensor, split_sizes: list[int], dim: int) -> list[Tensor]:
    starts = itertools.accumulate([0, *split_sizes[:-1]])
    return [self.narrow(dim, at, size) for at, size in zip(starts, split_sizes, strict=True)]


def _chunks(self: Tensor, chunks: int, dim: int) -> list[Tensor]:
    return _parts_of(self, -(-self.shape[dim] // chunks), dim)


_SHARED = (aten.pad.default, *NOT_ON_ANDROID)  # the first of fewer than none
_WRITTEN_OUT: dict[object, Form] = {
    **{target: written(DEFINITIONS[target]) for target in _SHARED},
    aten.mean.dim: written(_mean_of_planes),
    aten.hardsigmoid.default: written(_hard_sigmoid),
    aten.conv3d.default: written(_convolution),
    aten.max_pool3d.default: written(_largest),
    aten.avg_pool3d.default: written(_mean),
    aten.unbind.int: written(_one_by_one),
    aten.split.Tensor: written(_parts_of),
    aten.split_with_sizes.default: written(_parts_of_sizes),
    aten.chunk.default: written(_chunks),
    aten.sort.default: written(sorted_by_topk),  # and none that is stable: its kernel has equals in any order
    aten.argsort.default: written(order_by_topk),
    aten.kthvalue.default: written(nth_by_topk),
    aten.median.dim: written(median_by_topk),
    aten.median.default: written(median_of_all_by_topk),
    aten.scatter_reduce.two: written(reduced_at_places),
    # Its kernels give a remainder of whole numbers the sign of what is divided.
    **dict.fromkeys((aten.remainder.Scalar, aten.remainder.Tensor), written(remainder_by_floor)),
    **dict.fromkeys(
        (
            aten.adaptive_max_pool1d.default,
            aten.adaptive_max_pool2d.default,
            aten.adaptive_max_pool3d.default,
        ),
        largest_of_any_parts,
    ),
}
