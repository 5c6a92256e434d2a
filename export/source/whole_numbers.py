"""Which whole numbers a model takes at its integer inputs: the rows of a table, for instance, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from .attempt import attempt, example_inputs
from .signature import TensorSpec

__all__ = ["with_values"]

_MOST = 2**20  # beyond, it is taken to have no end: no table has so many rows
_FLAG = (0, 1)  # what has no end may be a mask: other numbers than these could mean nothing


def with_values(
    model: nn.Module, inputs: Sequence[TensorSpec], said: Sequence[TensorSpec] = ()
) -> tuple[TensorSpec, ...]:
    """``inputs`` with the lowest and highest number that each integer input takes, found by running ``model`` on constant
    inputs; those that say it already are left as they are. Where the model takes any number, what an artifact ``said`` is
    taken too, for whoever made it may know."""
    others = {spec.name: spec.values for spec in said}
    return tuple(
        replace(spec, values=_values(model, inputs, place, others.get(spec.name)))
        if spec.dtype.startswith("int") and spec.values is None
        else spec
        for place, spec in enumerate(inputs)
    )


def _values(
    model: nn.Module, inputs: Sequence[TensorSpec], place: int, said: tuple[int, int] | None
) -> tuple[int, int]:
    if _takes(model, inputs, place, _MOST):
        low, high = said or _FLAG
        return min(low, _FLAG[0]), max(high, _FLAG[1])
    taken, refused = 0, _MOST
    while refused - taken > 1:
        middle = (taken + refused) // 2
        if _takes(model, inputs, place, middle):
            taken = middle
        else:
            refused = middle
    return 0, taken


def _takes(model: nn.Module, inputs: Sequence[TensorSpec], place: int, value: int) -> bool:
    given = list(example_inputs(inputs))
    given[place].fill_(value)
    return attempt(model, tuple(given)).succeeded
