"""A program run step by step, from what its file says: operators of the runtime by torch's own, and inside a delegate the operators
that it was given. So every value can be held to the model's, also where the runtime itself shows none."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .file import Constant, Delegated, Kernel, List, Program, Value
from .flat import FlatbufferError
from .operators import compute, is_channels_last, operands, stored_operands
from .payload import Graph, read_payload
from .wired import refuse_unwired

__all__ = ["XNNPACK", "Made", "graph_of", "inner_name", "outer_name", "results_of", "steps", "whole_name"]

XNNPACK = "XnnpackBackend"
_LIBRARY = "aten::"
_FOREIGN = ("from_file",)  # which read what is not theirs


@dataclass(frozen=True)
class Made:
    """A value that a step made: its name, the operator, what that was given, and the value."""

    name: str
    operator: str
    operands: tuple[Tensor, ...]
    value: Tensor


def outer_name(place: int) -> str:
    """What a value of the program is called here: the file has no names."""
    return f"value_{place}"


def inner_name(step: int, place: int) -> str:
    """What a value inside the delegate of a step is called."""
    return f"delegate_{step}_{place}"


def whole_name(step: int, place: int) -> str:
    """What the whole numbers are called that stand for a value inside the delegate of a step."""
    return f"{inner_name(step, place)}_whole"


def graph_of(program: Program, step: Delegated) -> Graph:
    """What the step's delegate is given; :class:`FlatbufferError` if that is not XNNPACK."""
    if step.backend != XNNPACK:
        raise FlatbufferError(f"has a delegate ({step.backend}) that no export has")
    graph = read_payload(step.payload, program.named)
    refuse_unwired(graph)
    return graph


def steps(program: Program, inputs: Sequence[Tensor]) -> Iterator[Made]:
    """Every value in the order in which they are made.

    Raises :class:`FlatbufferError` for a step that is not known here, and whatever torch raises of operands that do not fit.
    """
    device = inputs[0].device if inputs else torch.device("cpu")
    found = _Values(program, device)
    for place, value in zip(program.inputs, inputs, strict=True):
        found.give(place, value)
    for number, step in program.steps.items():
        if isinstance(step, Kernel):
            yield from _by_kernel(program, step, found)
        else:
            yield from _by_delegate(program, number, step, found)


class _Values:
    """The program's tensors by their places."""

    def __init__(self, program: Program, device: torch.device) -> None:
        self.device = device
        self._program = program
        self._made: dict[int, Tensor] = {}
        self._lying: dict[tuple[int, ...], Tensor] = {}  # what was written last, by where it lies

    def give(self, place: int, value: Tensor) -> None:
        """A value that was made."""
        entry = self._program.values[place]
        self._made[place] = value
        if isinstance(entry, Value) and entry.memory is not None:
            self._lying[entry.memory] = value

    def take(self, place: int) -> Tensor:
        """A constant, what was made, or a view of what lies there; :class:`FlatbufferError` if nothing does."""
        entry = self._program.values[place]
        if isinstance(entry, Constant):
            return entry.tensor.to(self.device)
        if place in self._made:
            return self._made[place]
        seen = (
            self._lying.get(entry.memory) if isinstance(entry, Value) and entry.memory is not None else None
        )
        if seen is None or not isinstance(entry, Value) or seen.numel() != math.prod(entry.shape):
            raise FlatbufferError("reads a value that no step before it makes")
        return seen.reshape(entry.shape)


def _by_delegate(program: Program, number: int, step: Delegated, found: _Values) -> Iterator[Made]:
    """A delegate takes the axes of a tensor as they lie in memory."""
    graph = graph_of(program, step)
    given, made = step.arguments[: len(graph.inputs)], step.arguments[len(graph.inputs) :]
    constants = ((place, value.constant) for place, value in graph.values.items())
    inner = _Inside((place, value.to(found.device)) for place, value in constants if value is not None)
    yield from _stored(number, graph, inner)
    for inside, place in zip(graph.inputs, given, strict=True):
        inner[inside] = found.take(place).permute(_order(program, place))
    channels_last: set[int] = set()
    for node in graph.nodes:
        results = compute(node, inner)
        read = tuple(inner[place] for place in operands(node))
        if is_channels_last(node, channels_last) and all(value.ndim == 4 for value in results.values()):
            channels_last |= results.keys()
        for place, value in results.items():
            rounded = graph.values[place].rounded if place in graph.values else None
            if rounded is not None:
                whole = rounded.whole(value)
                yield Made(whole_name(number, place), node.kind, read, _in_place(whole, place, channels_last))
                inner[place] = rounded.number(whole)
            else:
                inner[place] = value
            yield Made(
                inner_name(number, place), node.kind, read, _in_place(inner[place], place, channels_last)
            )
    for inside, place in zip(graph.outputs, made, strict=True):
        order = _order(program, place)
        found.give(place, inner[inside].permute([order.index(axis) for axis in range(len(order))]))


def _in_place(value: Tensor, place: int, channels_last: Container[int]) -> Tensor:
    """With its axes as the program has them."""
    return value.permute(0, 3, 1, 2) if place in channels_last else value


def _stored(number: int, graph: Graph, values: Mapping[int, Tensor]) -> Iterator[Made]:
    """The constants that whole numbers stand for, with their axes as layers of torch have them."""
    for node in graph.nodes:
        for place, order in stored_operands(graph, node).items():
            yield Made(inner_name(number, place), "Constant", (), values[place].permute(order))


class _Inside(dict[int, Tensor]):
    """The values of a delegate's graph."""

    def __missing__(self, place: int) -> Tensor:
        raise FlatbufferError("has an operator in its delegate that reads what none before it makes")


def _order(program: Program, place: int) -> tuple[int, ...]:
    entry = program.values[place]
    if not isinstance(entry, (Value, Constant)):
        raise FlatbufferError("gives a delegate what is no tensor")
    return entry.order


def _by_kernel(program: Program, step: Kernel, found: _Values) -> Iterator[Made]:
    given = [_argument(program, place, found) for place in _inputs(step)]
    read = tuple(item for item in given if isinstance(item, Tensor))
    made = {place: _empty(program, place, found.device) for place in results_of(program, step)}
    # Without data no operator can read a number. The file says the shapes, and the runtime has room for no others.
    if found.device.type != "meta":
        own = _OWN.get(step.name)
        if own is not None:
            made = {place: own(given, result) for place, result in made.items()}
        else:
            _call(_operator(step.name), given, [_written(program, place, made) for place in _outputs(step)])
    for place, value in made.items():
        found.give(place, value)
        yield Made(outer_name(place), step.name, read, value)


def results_of(program: Program, step: Kernel) -> list[int]:
    """The places that the step writes to: of one of torch's operators, the arguments that its schema says are results."""
    found: list[int] = []
    for place in _outputs(step):
        entry = program.values[place]
        found += entry.places if isinstance(entry, List) else [place]
    return found


def _inputs(step: Kernel) -> list[int]:
    """What an operator of torch's reads, in the order of its schema; of the runtime's own, the tensor that it reads."""
    if step.name in _OWN:
        return list(step.arguments[:1])
    arguments = _operator(step.name)._schema.arguments
    return [place for place, item in zip(step.arguments, arguments, strict=False) if not item.is_out]


def _outputs(step: Kernel) -> list[int]:
    if step.name in _OWN:
        return [step.arguments[-1]]
    arguments = _operator(step.name)._schema.arguments
    if len(step.arguments) < len(arguments):
        raise FlatbufferError(f"has a step ({step.name}) without its outputs")
    return [place for place, item in zip(step.arguments, arguments, strict=False) if item.is_out]


def _written(program: Program, place: int, made: Mapping[int, Tensor]) -> Any:
    """What an operator is given to write to: of pieces, a list."""
    entry = program.values[place]
    return [made[item] for item in entry.places] if isinstance(entry, List) else made[place]


def _call(operator: torch._ops.OpOverload, given: Sequence[Any], results: Sequence[Any]) -> None:
    """The operator writes into the results."""
    arguments, reads, writes = operator._schema.arguments, iter(given), iter(results)
    filled = [next(writes) if item.is_out else next(reads) for item in arguments]
    plain = [value for value, item in zip(filled, arguments, strict=True) if not item.kwarg_only]
    named = {item.name: value for value, item in zip(filled, arguments, strict=True) if item.kwarg_only}
    operator(*plain, **named)


def _operator(name: str) -> torch._ops.OpOverload:
    """Torch's operator of the same name and schema: one that writes its results where it is told to."""
    packet, _, overload = name.removeprefix(_LIBRARY).partition(".")
    found = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
    if not isinstance(found, torch._ops.OpOverload) or not name.startswith(_LIBRARY) or packet in _FOREIGN:
        raise FlatbufferError(f"has an operator ({name}) that no export has")
    if not any(item.is_out for item in found._schema.arguments):
        raise FlatbufferError(f"has an operator ({name}) that writes nothing")
    return found


def _empty(program: Program, place: int, device: torch.device) -> Tensor:
    entry = program.values[place]
    if not isinstance(entry, Value):
        raise FlatbufferError("writes a result where no value is")
    return torch.empty(entry.shape, dtype=entry.dtype, device=device)


def _argument(program: Program, place: int, found: _Values) -> Any:
    entry = program.values[place]
    if isinstance(entry, List):
        return [None if item < 0 else _argument(program, item, found) for item in entry.places]
    # As they lie in the runtime: some of torch's operators take no others.
    return found.take(place).contiguous() if isinstance(entry, (Value, Constant)) else entry


_Own: TypeAlias = Callable[[list[Any], Tensor], Tensor]

# Of the runtime's own operators, by what they are given and what their result is like: the order of axes in memory is nothing that
# a value has.
_OWN: Mapping[str, _Own] = {
    "dim_order_ops::_to_dim_order_copy.out": lambda given, result: given[0].to(result.dtype),
    "dim_order_ops::_clone_dim_order.out": lambda given, _result: given[0].clone(),
    "dim_order_ops::_empty_dim_order.out": lambda _given, result: torch.zeros_like(
        result
    ),  # of a size: no tensor is read
    "executorch_prim::et_view.default": lambda given, result: given[0].reshape(result.shape),
}
