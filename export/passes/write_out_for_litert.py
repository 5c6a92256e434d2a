"""Operators that litert-torch has no conversion for, or one that LiteRT does not take, by others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .definitions import DEFINITIONS
from .rewriter import Form, Rewriter

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


def _written(function: Callable[..., Any]) -> Form:
    def form(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> Any:
        return rewriter.write(lambda given: function(**given), bound)

    return form


_SHARED = (
    aten.index_put.default,  # by a mask
)
_OWN: dict[object, Callable[..., Any]] = {
    aten.argmax.default: _place_of(torch.amax),
    aten.argmin.default: _place_of(torch.amin),
    aten.var.correction: _variance,
    aten.std.correction: _deviation,
    aten.var.dim: _unbiased(_variance),
    aten.std.dim: _unbiased(_deviation),
}
_WRITTEN_OUT: dict[object, Form] = {
    **{target: _written(function) for target, function in _OWN.items()},
    **{target: _written(DEFINITIONS[target]) for target in _SHARED},
}
