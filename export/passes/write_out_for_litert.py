"""Operators that litert-torch has no conversion for, or one that LiteRT does not take, by others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
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
from .scatter_by_comparison import added_at_index, added_at_places, put_at_index, reduced_at_places
from .sort_by_topk import (
    largest_by_place,
    median_by_topk,
    median_of_all_by_topk,
    nth_by_topk,
    order_by_topk,
    sorted_by_topk,
)
from .whole_remainders import remainder_by_trunc
from .write_out_arguments import scaled_sum

__all__ = ["WriteOutForLitert"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WriteOutForLitert(Pass):
    """Write what litert-torch does not convert, or to operators that LiteRT does not have, by operators that it has: some by
    the same definitions as for Core ML (:mod:`.definitions`), and those below."""

    law: ClassVar[str] = (
        "an operator = its definition by others; argmax(x) = argmax(x = max(x)) of whole numbers, for one"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(_WRITTEN_OUT)


def _place_of(extreme: Callable[..., Tensor]) -> Callable[..., Any]:
    def law(self: Tensor, dim: int | None, keepdim: bool) -> Any:
        """Of whole numbers of 64 bits: the first that is the extreme one."""
        if self.dtype is not torch.int64 or dim is None or not self.ndim:
            return NotImplemented
        is_it = self == extreme(self, [dim], True)
        return is_it.to(torch.int32).argmax(dim, keepdim)

    return law


def _deviation(self: Tensor, dim: list[int] | None, correction: float | None, keepdim: bool) -> Any:
    """The root of :func:`_variance`."""
    found = _variance(self, dim, correction, keepdim)
    return found if found is NotImplemented else found.sqrt()


def _variance(self: Tensor, dim: list[int] | None, correction: float | None, keepdim: bool) -> Any:
    """The mean of what is squared, so much larger as fewer count. litert-torch writes sums, and puts what a mean of the same
    numbers is more than its sum into the layer behind it."""
    axes = list(range(self.ndim)) if not dim else list(dim)
    number = math.prod(self.shape[axis] for axis in axes)
    counted = number - (1 if correction is None else correction)
    if counted <= 0:
        return NotImplemented
    # Of one axis more, so that it is no other mean's sum.
    mean = self.unsqueeze(0).mean([axis % self.ndim + 1 for axis in axes], True).squeeze(0)
    centred = self - mean
    return (centred * centred).mean(axes, keepdim) * (number / counted)


def _unbiased(law: Callable[..., Any]) -> Callable[..., Any]:
    """The older form, which says whether one counts less."""
    return lambda unbiased, **given: law(correction=float(unbiased), **given)


def _magnitude(self: Tensor) -> Any:
    """Of whole numbers of 64 bits the larger of the number and its negative."""
    return torch.maximum(self, -self) if self.dtype is torch.int64 else NotImplemented


def _sign(self: Tensor) -> Any:
    """Of whole numbers of 64 bits, whether it is more than zero less whether it is less."""
    if self.dtype is not torch.int64:
        return NotImplemented
    return (self > 0).to(torch.int64) - (self < 0).to(torch.int64)


def _of_64_bits(law: Callable[..., Any]) -> Callable[..., Any]:
    """The law of whole numbers of 64 bits alone."""
    return lambda self, other: law(self, other) if self.dtype is torch.int64 else NotImplemented


def _one_hot(self: Tensor, num_classes: int) -> Any:
    """Whether it is that class."""
    if num_classes < 0:
        return NotImplemented
    return (self.unsqueeze(-1) == torch.arange(num_classes)).to(torch.int64)


def _unpooled(self: Tensor, indices: Tensor, output_size: list[int]) -> Tensor:
    """Zeros, and each number at its place in the flattened image."""
    flat = self.flatten(-2)
    image = torch.zeros(*flat.shape[:-1], math.prod(output_size), dtype=self.dtype)
    return torch.scatter(image, -1, indices.flatten(-2), flat).reshape(*flat.shape[:-1], *output_size)


def _largest_with_place(
    self: Tensor, kernel_size: list[int], stride: list[int], padding: list[int], dilation: list[int], ceil_mode: bool
) -> list[Tensor]:  # fmt: skip
    """Window by window, the larger of what was seen and what is next, and its place in the flattened image."""
    counts = aten.max_pool2d.default(self, kernel_size, stride, padding, dilation, ceil_mode).shape[-2:]
    kernel, steps, borders, gaps = (
        list(sizes) * (2 if len(sizes) == 1 else 1)
        for sizes in (kernel_size, stride or kernel_size, padding, dilation)
    )
    height, width = self.shape[-2:]
    needed = [
        gap * (size - 1) + (count - 1) * step + 1
        for size, step, gap, count in zip(kernel, steps, gaps, counts, strict=True)
    ]
    below, behind = (
        max(end - size - border, 0)
        for end, size, border in zip(needed, (height, width), borders, strict=True)
    )
    widths = [borders[1], behind, borders[0], below]
    image = F.pad(self, widths, value=-math.inf) if any(widths) else self
    # Around it that of the nearest pixel: where all is minus infinity, PyTorch says the first pixel of the window.
    rows = torch.arange(-borders[0], height + below).clamp(0, height - 1)
    columns = torch.arange(-borders[1], width + behind).clamp(0, width - 1)
    places = rows.unsqueeze(1) * width + columns
    largest, place = None, None
    for row, column in itertools.product(range(kernel[0]), range(kernel[1])):
        at = tuple(
            slice(gap * tap, gap * tap + (count - 1) * step + 1, step)
            for tap, gap, count, step in zip((row, column), gaps, counts, steps, strict=True)
        )
        seen, here = image[..., at[0], at[1]], places[at].expand(*self.shape[:-2], *counts)
        if largest is None or place is None:
            largest, place = seen, here
            continue
        is_larger = torch.logical_or(seen > largest, seen != seen)
        largest, place = torch.where(is_larger, seen, largest), torch.where(is_larger, here, place)
    assert largest is not None and place is not None
    return [largest, place]


_BITS = (
    aten.__and__.Scalar,
    aten.__or__.Scalar,
    aten.__xor__.Scalar,
    aten.bitwise_and.Scalar,
    aten.bitwise_or.Scalar,
    aten.bitwise_xor.Scalar,
)
_OWN: dict[object, Callable[..., Any]] = {
    aten.argmax.default: _place_of(torch.amax),
    aten.argmin.default: _place_of(torch.amin),
    aten.abs.default: _magnitude,
    aten.sign.default: _sign,
    **dict.fromkeys((aten.fmod.Scalar, aten.fmod.Tensor), remainder_by_trunc),
    # Of whole numbers of 64 bits LiteRT has neither.
    **{target: _of_64_bits(DEFINITIONS[target]) for target in _BITS},
    aten.one_hot.default: _one_hot,
    aten.max_pool2d_with_indices.default: _largest_with_place,  # it has the places in the window
    aten.max_unpool2d.default: _unpooled,
    aten.index_put.default: put_at_index,
    aten.index_add.default: added_at_index,  # LiteRT scatters, and adds nothing up
    aten.scatter_add.default: added_at_places,
    aten.scatter_reduce.two: reduced_at_places,
    **dict.fromkeys((aten.sort.default, aten.sort.stable), sorted_by_topk),
    **dict.fromkeys((aten.argsort.default, aten.argsort.stable), order_by_topk),
    aten.kthvalue.default: nth_by_topk,
    aten.median.dim: median_by_topk,
    aten.median.default: median_of_all_by_topk,
    aten.var.correction: _variance,
    aten.std.correction: _deviation,
    aten.var.dim: _unbiased(_variance),
    aten.std.dim: _unbiased(_deviation),
}
_WRITTEN_OUT: dict[object, Form] = {
    **{target: written(function) for target, function in _OWN.items()},
    **{target: written(DEFINITIONS[target]) for target in NOT_ON_ANDROID},
    **dict.fromkeys(
        (
            aten.adaptive_max_pool1d.default,
            aten.adaptive_max_pool2d.default,
            aten.adaptive_max_pool3d.default,
        ),
        largest_of_any_parts,
    ),
    aten.topk.default: largest_by_place,  # of numbers alone litert-torch makes a sort
    aten.add.Tensor: scaled_sum,  # of which litert-torch takes no ``alpha``
    aten.sub.Tensor: scaled_sum,
    aten.rsub.Tensor: scaled_sum,
}
