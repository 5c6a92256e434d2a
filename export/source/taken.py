"""How a module is given its inputs: one after the other, by name, or together in a dictionary, a list or a class."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, cast

from torch import Tensor, nn

from .attempt import attempt, example_inputs
from .parameters import needed, parameters
from .signature import TensorSpec

__all__ = ["take_by_name", "take_together"]

_Given = tuple[tuple[object, ...], Mapping[str, object]]  # positional arguments, and those by name


class _Class(Protocol):
    """Of a data class or a named tuple."""

    def __call__(self, **fields: Tensor) -> object: ...


_Form = Callable[[Sequence[Tensor]], _Given]  # of tensors in the order of the inputs


def take_by_name(model: nn.Module, inputs: Sequence[TensorSpec]) -> None:
    """Let ``model``, in place, take tensors in the order of ``inputs`` where these have the names of its parameters, and are
    not the first of them in order."""
    names, taken = [spec.name for spec in inputs], parameters(model)
    by_name = [each.name for each in taken if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    in_order = [each.name for each in taken if each.kind is each.POSITIONAL_OR_KEYWORD]
    is_all = {each.name for each in needed(taken)} <= set(names) <= set(by_name)
    if is_all and names != in_order[: len(names)]:
        _rearrange(model, lambda tensors: ((), dict(zip(names, tensors, strict=True))))


def take_together(model: nn.Module, inputs: Sequence[TensorSpec]) -> None:
    """Let ``model``, in place, take tensors in the order of ``inputs`` where it has one parameter for all of them: in the
    class that it is annotated with, a dictionary, a list or a tuple, whichever it runs with first."""
    names, asked = [spec.name for spec in inputs], needed(parameters(model))
    if len(asked) != 1:
        return
    for form in _forms(names, _annotated(model, asked[0].name)):
        if attempt(model, *form(example_inputs(inputs))).succeeded:
            _rearrange(model, form)
            return


def _forms(names: Sequence[str], kind: _Class | None) -> Iterator[_Form]:
    if kind is not None:
        made = kind
        yield lambda tensors: ((made(**dict(zip(names, tensors, strict=True))),), {})
    yield lambda tensors: ((dict(zip(names, tensors, strict=True)),), {})
    yield lambda tensors: ((list(tensors),), {})
    yield lambda tensors: ((tuple(tensors),), {})


def _annotated(model: nn.Module, parameter: str) -> _Class | None:
    """The data class or named tuple that a parameter is said to be."""
    try:
        kind = typing.get_type_hints(type(model).forward).get(parameter)
    except (NameError, TypeError):  # of names that are not there when it runs
        return None
    is_class = isinstance(kind, type) and (dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"))
    return cast("_Class", kind) if is_class else None


def _rearrange(model: nn.Module, form: _Form) -> None:
    """The module as one of a class of the same name, whose ``forward`` takes tensors in order: what it holds, and the names
    of that, stay."""
    kind = type(model)

    def forward(self: nn.Module, *tensors: Tensor) -> object:
        args, kwargs = form(tensors)
        return kind.forward(self, *args, **kwargs)

    names = {"forward": forward, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    model.__class__ = type(kind.__name__, (kind,), names)
