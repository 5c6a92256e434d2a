"""Running a function of an ML Program, operator by operator, on torch.

What Apple's kernels do inside one operator is not published, so the arithmetic is a choice:

* ``WIDE``: each operator computes in float32 and its result is rounded to the type the program declares.
* ``NARROW``: sums inside a float16 operator (convolutions, products, reductions, normalizations) are kept in
  float16 as well, one addition after the other. No hardware is known to be as bad: a mean over 112 x 112 pixels
  loses a tenth of itself or more, so ordinary networks fail by design, and it is a bound and no estimate.
* ``NEURAL_ENGINE``: as ``WIDE``, with the published cliffs of Apple's Neural Engine (``engine.py``), as if every
  float16 operator ran there: an estimate.
* ``EXACT``: float64 without any rounding: what the program means, apart from its stored weights.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.words import count

from ..cliffs import CliffMet
from . import operators  # noqa: F401 - enters the operators in the table
from ._operator import OPERATORS
from .engine import Site, met_at
from .program import CONSTEXPR, Argument, Constant, Function, Operation, TensorType
from .types import TYPES

__all__ = ["KNOWN", "Arithmetic", "Interpreter", "unknown_operators"]

Observer = Callable[[Operation, Mapping[str, object], Mapping[str, object]], None]
OnCliff = Callable[[CliffMet], None]
_WIDENED = (torch.int8, torch.int16, torch.int32, torch.uint8, torch.uint16, torch.uint32, torch.uint64)


class Arithmetic(enum.Enum):
    """In which precision operators compute; see the module."""

    WIDE = "wide"
    NARROW = "narrow"
    NEURAL_ENGINE = "neural-engine"
    EXACT = "exact"


def unknown_operators(function: Function) -> list[Operation]:
    """The operations that this runtime has no operator for."""
    return [item for item in function.operations if item.kind != "const" and item.kind not in KNOWN]


class Interpreter:
    """Runs one function. Constants are decompressed once, here.

    Raises :class:`UnsupportedError` that names every unknown operator, :class:`InputError` where the program
    contradicts itself: a size or type that is not the declared one.
    """

    def __init__(self, function: Function, arithmetic: Arithmetic = Arithmetic.WIDE) -> None:
        unknown = unknown_operators(function)
        if unknown:
            kinds = sorted({item.kind for item in unknown})
            raise UnsupportedError(
                f"the reference runtime does not know {count(kinds, 'kind of operator')}: {', '.join(kinds[:8])}",
                f"the first is {unknown[0]}",
                details={"unsupported": [{"operator": item.kind, "name": item.name} for item in unknown]},
            )
        self.function, self.arithmetic = function, arithmetic
        self._float = torch.float64 if arithmetic is Arithmetic.EXACT else torch.float32
        self.constants: dict[str, object] = {}
        self.decompressed: dict[str, Tensor] = {}  # of the constants those that are stored small
        self.operations: list[Operation] = []  # those that run: constants are values already
        for operation in function.operations:
            if operation.kind == "const":
                self.constants[operation.outputs[0].name] = _constant_value(operation)
            elif operation.kind.startswith(CONSTEXPR) and set(operation.reads()) <= self.constants.keys():
                made = self._computed(operation, self.constants, {})
                self.constants.update(made)
                self.decompressed.update(
                    {name: item for name, item in made.items() if isinstance(item, Tensor)}
                )
            else:
                self.operations.append(operation)
        self._dead_after = _last_uses(self.operations, function.outputs)
        self._made_by = {item.name: operation for operation in self.operations for item in operation.outputs}

    @torch.no_grad()
    def run(
        self,
        inputs: Mapping[str, object],
        observe: Observer | None = None,
        states: dict[str, Tensor] | None = None,
        on_cliff: OnCliff | None = None,
    ) -> dict[str, object]:
        """The function's outputs: arrays by name; of ``classify`` a label and a dictionary.

        ``inputs`` are arrays in the program's own units (images as pixels, NCHW). ``observe`` is given every
        operation with its outputs as they are made, and all values that something still reads; ``states``
        holds the state of a stateful model and is changed. ``on_cliff`` is told of every published cliff of the Neural
        Engine that an operator meets, in any arithmetic; only ``NEURAL_ENGINE`` computes what stands there.
        """
        values = self.constants | {
            item.name: self._state(states, item.name, item.type)
            if item.type.is_state
            else self._arriving(_as_input(inputs, item.name, item.type, self._stored(item.type)))
            for item in self.function.inputs
        }
        for index, operation in enumerate(self.operations):
            made = self._computed(operation, values, states if states is not None else {}, on_cliff)
            values.update(made)
            if observe is not None:
                observe(operation, made, values)
            for name in self._dead_after.get(index, ()):
                del values[name]
        return {name: _as_output(values[name]) for name in self.function.outputs}

    def _arriving(self, value: Tensor) -> Tensor:
        """An input as it arrives: on the engine, what is no number arrives as infinity."""
        is_on_engine = self.arithmetic is Arithmetic.NEURAL_ENGINE and value.dtype is torch.float16
        return torch.where(value.isnan(), torch.inf, value) if is_on_engine else value

    def _stored(self, kind: TensorType) -> torch.dtype:
        """The torch type in which values of a MIL type are held between operators."""
        dtype = TYPES[kind.dtype].torch if kind.dtype in TYPES else torch.float32
        return torch.float64 if self.arithmetic is Arithmetic.EXACT and dtype.is_floating_point else dtype

    def _state(self, states: dict[str, Tensor] | None, name: str, kind: TensorType) -> str:
        if states is None:
            raise InputError(f"the model keeps the state {name!r}, and none is given")
        if name not in states:
            states[name] = torch.zeros([size or 1 for size in kind.shape or ()], dtype=self._stored(kind))
        return name  # operators on states are given the state's name

    def _computed(
        self,
        operation: Operation,
        values: Mapping[str, object],
        states: dict[str, Tensor],
        on_cliff: OnCliff | None = None,
    ) -> dict[str, object]:
        """The operation's outputs by name, in their declared types."""
        is_narrow = self.arithmetic is Arithmetic.NARROW and any(
            item.type.dtype == "float16" for item in operation.outputs
        )
        # Weights are decompressed in their stored types, bit for bit: see operators/compression.py.
        is_stored = operation.kind.startswith(CONSTEXPR)
        arguments = {
            name: self._argument(argument, values, is_stored=is_stored)
            for name, argument in operation.inputs.items()
            if argument
        }
        try:
            if operation.kind in _ON_STATES:
                result = _ON_STATES[operation.kind](arguments, states)
            else:
                result = OPERATORS[operation.kind].call(arguments, is_narrow=is_narrow)
                result = self._on_the_engine(operation, arguments, result, on_cliff)
        except (InputError, UnsupportedError) as error:
            raise type(error)(f"{operation}: {error.lines[0]}", *error.lines[1:]) from None
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            MemoryError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            reason = (str(error).splitlines() or [""])[0][:160]
            raise InputError(
                f"{operation} cannot be computed: {reason}", "the program is not valid"
            ) from error
        results = result if isinstance(result, (list, tuple)) else [result]
        if len(results) != len(operation.outputs):
            raise InputError(
                f"{operation} declares {count(operation.outputs, 'output')} and gives {len(results)}"
            )
        return {
            item.name: self._rounded(value, item.type, operation)
            for item, value in zip(operation.outputs, results, strict=True)
        }

    def _on_the_engine(
        self,
        operation: Operation,
        arguments: Mapping[str, object],
        result: object,
        on_cliff: OnCliff | None,
    ) -> object:
        """The result of a float16 operator with what stands at the cliffs, where they are emulated; they are told."""
        emulates = self.arithmetic is Arithmetic.NEURAL_ENGINE
        if not (emulates or on_cliff) or not isinstance(result, Tensor) or not result.is_floating_point():
            return result
        if operation.outputs[0].type.dtype != "float16" or operation.kind.startswith(CONSTEXPR):
            return result
        for met, given in met_at(Site(operation, arguments, result, self._made_by, self.constants)):
            if on_cliff is not None:
                on_cliff(met)
            result = given if emulates else result
        return result

    def _argument(self, argument: Argument, values: Mapping[str, object], *, is_stored: bool) -> object:
        given = [item.value if isinstance(item, Constant) else values[item] for item in argument]
        wide = given if is_stored else [self._widened(item) for item in given]
        return wide if len(wide) > 1 else wide[0]

    def _widened(self, value: object) -> object:
        if not isinstance(value, Tensor) or value.dtype is torch.bool:
            return value
        return value.to(
            torch.int64
            if value.dtype in _WIDENED
            else self._float
            if value.is_floating_point()
            else value.dtype
        )

    def _rounded(self, value: object, declared: TensorType, operation: Operation) -> object:
        if not isinstance(value, Tensor):
            return value
        if declared.shape is not None and (
            len(declared.shape) != value.ndim
            or any(
                size not in (None, found) for size, found in zip(declared.shape, value.shape, strict=False)
            )
        ):
            raise InputError(f"{operation} declares {declared} and gives the shape {list(value.shape)}")
        if declared.dtype not in TYPES:
            return value
        is_constant = operation.kind.startswith(CONSTEXPR)
        return value.to(TYPES[declared.dtype].torch if is_constant else self._stored(declared))


def _constant_value(operation: Operation) -> object:
    argument = operation.inputs.get("val", ())
    if len(argument) != 1 or not isinstance(argument[0], Constant) or len(operation.outputs) != 1:
        raise InputError(f"{operation} holds no value")
    return argument[0].value


def _last_uses(operations: list[Operation], outputs: tuple[str, ...]) -> dict[int, list[str]]:
    """The values that nothing reads after each operation; constants stay."""
    made = {item.name for operation in operations for item in operation.outputs}
    last: dict[str, int] = {}
    for index, operation in enumerate(operations):
        for name in [*operation.reads(), *(item.name for item in operation.outputs)]:
            if name in made:
                last[name] = index
    dead: dict[int, list[str]] = {}
    for name, index in last.items():
        if name not in outputs:
            dead.setdefault(index, []).append(name)
    return dead


def _as_input(inputs: Mapping[str, object], name: str, declared: TensorType, dtype: torch.dtype) -> Tensor:
    if name not in inputs:
        raise InputError(f"the input {name!r} is not given; there are {', '.join(sorted(inputs)) or 'none'}")
    tensor = torch.from_numpy(np.array(inputs[name]))
    shape = declared.shape
    if shape is not None and (
        len(shape) != tensor.ndim
        or any(size not in (None, found) for size, found in zip(shape, tensor.shape, strict=True))
    ):
        raise InputError(f"the input {name!r} is {declared}, and {list(tensor.shape)} is given")
    return tensor.to(dtype)


def _as_output(value: object) -> object:
    return value.contiguous().numpy() if isinstance(value, Tensor) else value


def _read_state(arguments: Mapping[str, object], states: dict[str, Tensor]) -> Tensor:
    """``read_state``: the state's value (coremltools ``ops/defs/iOS18/states.py``)."""
    return states[_state_name(arguments)].clone()


def _write_state(arguments: Mapping[str, object], states: dict[str, Tensor]) -> list[Tensor]:
    """``write_state``: the state takes a value of its own shape (``backend/mil/load.py`` of coremltools)."""
    name, data = _state_name(arguments), arguments["data"]
    state = states[name]
    if not isinstance(data, Tensor) or data.shape != state.shape:
        given = list(data.shape) if isinstance(data, Tensor) else type(data).__name__
        raise InputError(f"a state of the shape {list(state.shape)} is given {given}")
    states[name] = data.to(state.dtype).clone()
    return []


def _state_name(arguments: Mapping[str, object]) -> str:
    name = arguments["input"]
    if not isinstance(name, str):
        raise InputError("the operator works on a state, and is given something else")
    return name


_ON_STATES: dict[str, Callable[[Mapping[str, object], dict[str, Tensor]], object]] = {
    "read_state": _read_state,
    "write_state": _write_state,
}
KNOWN = OPERATORS.keys() | _ON_STATES.keys()
