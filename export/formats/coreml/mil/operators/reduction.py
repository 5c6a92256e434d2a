"""Reductions over ``axes``, or over all axes if none are given (``reduction.py``)."""

from __future__ import annotations

import torch
from torch import Tensor

from .._operator import Ints, operator
from ._narrow import half, narrow_mean, narrow_sum


def _over(x: Tensor, axes: Ints | None) -> list[int]:
    """The axes, counted from the front."""
    return list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]


def _narrow_total(x: Tensor, axes: Ints | None, keep_dims: bool) -> Tensor:
    return narrow_sum(x, _over(x, axes), keep_dims=keep_dims)


def _narrow_squares(x: Tensor, axes: Ints | None, keep_dims: bool) -> Tensor:
    return _narrow_total(half(x * x), axes, keep_dims)


def _narrow_reduce_l1_norm(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return _narrow_total(x.abs(), axes, keep_dims)


@operator("reduce_l1_norm", specification="iOS15/reduction.py: reduce_l1_norm", narrow=_narrow_reduce_l1_norm)
def reduce_l1_norm(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return x.abs().sum(_over(x, axes), keepdim=keep_dims)


def _narrow_reduce_l2_norm(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return _narrow_squares(x, axes, keep_dims).sqrt()


@operator("reduce_l2_norm", specification="iOS15/reduction.py: reduce_l2_norm", narrow=_narrow_reduce_l2_norm)
def reduce_l2_norm(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return x.square().sum(_over(x, axes), keepdim=keep_dims).sqrt()


def _narrow_reduce_log_sum(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return _narrow_total(x, axes, keep_dims).log()


@operator("reduce_log_sum", specification="iOS15/reduction.py: reduce_log_sum", narrow=_narrow_reduce_log_sum)
def reduce_log_sum(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return x.sum(_over(x, axes), keepdim=keep_dims).log()


@operator("reduce_log_sum_exp", specification="iOS15/reduction.py: reduce_log_sum_exp")
def reduce_log_sum_exp(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return torch.logsumexp(x if x.is_floating_point() else x.double(), _over(x, axes), keepdim=keep_dims)


@operator("reduce_max", specification="iOS15/reduction.py: reduce_max")
def reduce_max(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return x.amax(_over(x, axes), keepdim=keep_dims)


def _narrow_reduce_mean(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return narrow_mean(x, _over(x, axes), keep_dims=keep_dims)


@operator("reduce_mean", specification="iOS15/reduction.py: reduce_mean", narrow=_narrow_reduce_mean)
def reduce_mean(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    """Of integers, rounded toward zero when the interpreter makes it an integer again."""
    wide = x if x.is_floating_point() else x.double()
    return wide.mean(_over(x, axes), keepdim=keep_dims)


@operator("reduce_min", specification="iOS15/reduction.py: reduce_min")
def reduce_min(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return x.amin(_over(x, axes), keepdim=keep_dims)


@operator("reduce_prod", specification="iOS15/reduction.py: reduce_prod")
def reduce_prod(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    for axis in sorted(_over(x, axes), reverse=True):
        x = x.prod(axis, keepdim=keep_dims)
    return x


def _narrow_reduce_sum(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return _narrow_total(x, axes, keep_dims)


@operator("reduce_sum", specification="iOS15/reduction.py: reduce_sum", narrow=_narrow_reduce_sum)
def reduce_sum(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return x.sum(_over(x, axes), keepdim=keep_dims)


def _narrow_reduce_sum_square(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return _narrow_squares(x, axes, keep_dims)


@operator(
    "reduce_sum_square",
    specification="iOS15/reduction.py: reduce_sum_square",
    narrow=_narrow_reduce_sum_square,
)
def reduce_sum_square(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
    return x.square().sum(_over(x, axes), keepdim=keep_dims)


@operator("reduce_argmax", specification="iOS15, iOS17/reduction.py: reduce_argmax")
def reduce_argmax(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    """The first place of the largest; ``output_dtype`` is the declared type."""
    del output_dtype
    return x.argmax(axis, keepdim=keep_dims)


@operator("reduce_argmin", specification="iOS15, iOS17/reduction.py: reduce_argmin")
def reduce_argmin(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    del output_dtype
    return x.argmin(axis, keepdim=keep_dims)
