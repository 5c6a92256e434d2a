"""How an operator is written: a function of MIL's own parameter names, entered in a table.

A function's annotations say what it takes: ``Tensor`` and ``Tensors`` (a variadic parameter) arrive as
torch tensors, floats in the width of the arithmetic and integers as int64; ``int``, ``float``, ``bool``, ``str``
and ``Ints``, ``Bools`` as Python values. What it returns is rounded to the type the program declares.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from cloformer.errors import InputError

__all__ = ["OPERATORS", "Bools", "Ints", "Operator", "Tensors", "operator"]

Tensors = list[Tensor]
Ints = list[int]
Bools = list[bool]
Function = Callable[..., object]  # its parameters are the operator's own
F = TypeVar("F", bound=Function)


@dataclass(frozen=True)
class Operator:
    """``function`` computes it; ``kinds`` are its parameters' types and ``required`` those without a default.

    ``narrow`` computes it with float16 accumulators, where it accumulates at all.
    """

    function: Function
    kinds: Mapping[str, object]
    required: tuple[str, ...]
    specification: str
    narrow: Function | None = None

    def call(self, arguments: Mapping[str, object], *, is_narrow: bool = False) -> object:
        """The result for arguments as the interpreter has them: tensors, strings, lists of these. It is a tensor, a list
        of several results, or what a classifier gives."""
        unknown = arguments.keys() - self.kinds.keys()
        missing = [name for name in self.required if name not in arguments]
        if unknown or missing:
            what = f"misses {missing[0]!r}" if missing else f"has an unknown parameter {sorted(unknown)[0]!r}"
            raise InputError(f"the operator {what}")
        function = self.narrow if is_narrow and self.narrow is not None else self.function
        return function(**{name: _converted(value, self.kinds[name]) for name, value in arguments.items()})


OPERATORS: dict[str, Operator] = {}


def operator(*names: str, specification: str, narrow: Function | None = None) -> Callable[[F], F]:
    """Enter a function in the table under its MIL names. ``specification`` is where its meaning is written: the class in
    ``coremltools.converters.mil.mil.ops.defs``. ``narrow`` takes the same parameters."""

    def enter(function: F) -> F:
        hints = typing.get_type_hints(function)
        parameters = inspect.signature(function).parameters
        kinds = {name: _plain(hints[name]) for name in parameters}
        required = tuple(name for name, item in parameters.items() if item.default is inspect.Parameter.empty)
        for name in names:
            assert name not in OPERATORS, name
            OPERATORS[name] = Operator(function, kinds, required, specification, narrow)
        return function

    return enter


def _plain(hint: object) -> object:
    """``X | None`` is X: an argument that is given is never None."""
    options = [item for item in typing.get_args(hint) if item is not type(None)]
    is_optional = type(None) in typing.get_args(hint)
    return options[0] if is_optional else hint


def _converted(value: object, kind: object) -> object:
    if kind == Tensors:
        return value if isinstance(value, list) else [value]
    if (
        isinstance(value, list)
        and len(value) == 1
        and isinstance(value[0], Tensor)
        and kind not in (Ints, Bools)
    ):
        value = value[0]
    if kind is object or (kind is Tensor and isinstance(value, Tensor)):
        return value
    if isinstance(value, Tensor):
        if kind in (Ints, Bools):
            return value.reshape(-1).tolist()
        if value.numel() != 1:
            raise InputError(f"a single number is needed, and {list(value.shape)} are given")
        assert isinstance(kind, type)  # a number's
        return kind(value.item())
    if kind in (Ints, Bools) and isinstance(value, list):
        return [item.item() if isinstance(item, torch.Tensor) else item for item in value]
    if kind is not str or not isinstance(value, str):  # strings are the only values that are no tensors
        raise InputError(
            f"a {getattr(kind, '__name__', kind)} is needed, and {type(value).__name__} is given"
        )
    return value
