"""A module made ready to be traced: in float32, of tensors in order, giving tensors alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from .returned import look
from .signature import TensorSpec
from .stopped import why_it_does_not_run
from .taken import take_by_name, take_together
from .whole_numbers import with_values
from .widen import as_float32

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True)
class Fitted:
    """The inputs with the whole numbers that they take, the names that the module has for its outputs (none, if it has
    none), whether it has one output alone, and what was done to it, for people."""

    inputs: tuple[TensorSpec, ...]
    names: tuple[str, ...] = ()
    is_alone: bool = True
    notes: tuple[str, ...] = ()


def fit(model: nn.Module, inputs: Sequence[TensorSpec], said: Sequence[TensorSpec] = ()) -> Fitted:
    """Make ``model`` ready in place, in evaluation mode. ``said`` are the inputs as an artifact has them. Raises
    :class:`UnsupportedError` if it does not run on such inputs, or returns no tensor."""
    widened = as_float32(model.eval(), inputs)
    notes = () if widened is None else (widened,)
    take_by_name(model, inputs)
    returned = look(model, inputs)
    if returned is None:
        take_together(model, inputs)
        returned = look(model, inputs)
    taken = with_values(model, inputs, said)
    if returned is None:
        refused = why_it_does_not_run(model, inputs)
        if refused is not None and not any(spec.dtype.startswith("int") for spec in inputs):
            raise refused
        return Fitted(taken, notes=notes)  # the ones that it was tried with may be no rows of its tables
    return Fitted(taken, returned.names, returned.count == 1, (*notes, *returned.left_out))
