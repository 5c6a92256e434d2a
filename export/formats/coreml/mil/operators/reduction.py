"""Reductions (``reduction.py``)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .._operator import Ints, operator
from ._narrow import half, narrow_mean, narrow_sum

Sum = Callable[..., Tensor]


def _sum(x: Tensor, axes: list[int], *, keep_dims: bool) -> Tensor:
    return x.sum(axes, keepdim=keep_dims)


def _mean(x: Tensor, axes: list[int], *, keep_dims: bool) -> Tensor:
    if x.is_floating_point():
        return x.mean(axes, keepdim=keep_dims)
    return x.double().mean(axes, keepdim=keep_dims)  # rounded toward zero when it becomes an integer again


def _max(x: Tensor, axes: list[int], *, keep_dims: bool) -> Tensor:
    return x.amax(axes, keepdim=keep_dims)


def _min(x: Tensor, axes: list[int], *, keep_dims: bool) -> Tensor:
    return x.amin(axes, keepdim=keep_dims)


def _prod(x: Tensor, axes: list[int], *, keep_dims: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep_dims)
    return x


def _log_sum_exp(x: Tensor, axes: list[int], *, keep_dims: bool) -> Tensor:
    return torch.logsumexp(x if x.is_floating_point() else x.double(), axes, keepdim=keep_dims)


def _same(x: Tensor) -> Tensor:
    return x


def _narrow_square(x: Tensor) -> Tensor:
    return half(x * x)


# What is done to each number, how they are brought together, what is done to the result.
Steps = tuple[Callable[[Tensor], Tensor], Sum, Callable[[Tensor], Tensor]]
_WIDE: dict[str, Steps] = {
    "reduce_l1_norm": (torch.abs, _sum, _same),
    "reduce_l2_norm": (torch.square, _sum, torch.sqrt),
    "reduce_log_sum": (_same, _sum, torch.log),
    "reduce_log_sum_exp": (_same, _log_sum_exp, _same),
    "reduce_max": (_same, _max, _same),
    "reduce_mean": (_same, _mean, _same),
    "reduce_min": (_same, _min, _same),
    "reduce_prod": (_same, _prod, _same),
    "reduce_sum": (_same, _sum, _same),
    "reduce_sum_square": (torch.square, _sum, _same),
}
_NARROW: dict[str, Steps] = {
    "reduce_l1_norm": (torch.abs, narrow_sum, _same),
    "reduce_l2_norm": (_narrow_square, narrow_sum, torch.sqrt),
    "reduce_log_sum": (_same, narrow_sum, torch.log),
    "reduce_mean": (_same, narrow_mean, _same),
    "reduce_sum": (_same, narrow_sum, _same),
    "reduce_sum_square": (_narrow_square, narrow_sum, _same),
}


def _reduction(steps: Steps) -> Callable[..., Tensor]:
    before, bring_together, after = steps

    def reduce(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
        """Over ``axes``, or all of them."""
        over = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]
        return after(bring_together(before(x), over, keep_dims=keep_dims))

    return reduce


for _name, _steps in _WIDE.items():
    operator(
        _name,
        specification=f"iOS15/reduction.py: {_name}",
        narrow=_reduction(_NARROW[_name]) if _name in _NARROW else None,
    )(_reduction(_steps))


@operator("reduce_argmax", specification="iOS15, iOS17/reduction.py: reduce_argmax")
def reduce_argmax(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    """The first place of the largest; ``output_dtype`` is the declared type."""
    del output_dtype
    return x.argmax(axis, keepdim=keep_dims)


@operator("reduce_argmin", specification="iOS15, iOS17/reduction.py: reduce_argmin")
def reduce_argmin(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    del output_dtype
    return x.argmin(axis, keepdim=keep_dims)
