"""A program run step by step, from what its file says: operators of the runtime by torch's own, and inside a delegate the operators
that it was given. So every value can be held to the model's, also where the runtime itself shows none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .file import Constant, Delegated, Kernel, List, Program, Value
from .flat import FlatbufferError
from .operators import compute, operands
from .payload import Graph, read_payload

__all__ = ["XNNPACK", "Made", "graph_of", "inner_name", "outer_name", "results_of", "steps"]

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


def graph_of(program: Program, step: Delegated) -> Graph:
    """What the step's delegate is given; :class:`FlatbufferError` if that is not XNNPACK."""
    if step.backend != XNNPACK:
        raise FlatbufferError(f"has a delegate ({step.backend}) that no export has")
    return read_payload(step.payload, program.named)


def steps(
    program: Program, inputs: Sequence[Tensor], values: dict[int, Tensor] | None = None
) -> Iterator[Made]:
    """Every value in the order in which they are made; the program's own are in ``values`` afterwards, by their places.

    Raises :class:`FlatbufferError` for a step that is not known here, and whatever torch raises of operands that do not fit.
    """
    found = {} if values is None else values
    device = inputs[0].device if inputs else torch.device("cpu")
    found.update(zip(program.inputs, inputs, strict=True))
    for place, entry in enumerate(program.values):
        if isinstance(entry, Constant):
            found[place] = entry.tensor.to(device)
    for number, step in program.steps.items():
        if isinstance(step, Kernel):
            yield from _by_kernel(program, step, found, device)
        else:
            yield from _by_delegate(number, graph_of(program, step), step.arguments, found, device)


def _by_delegate(
    number: int, graph: Graph, arguments: Sequence[int], found: dict[int, Tensor], device: torch.device
) -> Iterator[Made]:
    given, made = arguments[: len(graph.inputs)], arguments[len(graph.inputs) :]
    inner = {
        place: value.constant.to(device)
        for place, value in graph.values.items()
        if value.constant is not None
    }
    inner.update(zip(graph.inputs, (found[place] for place in given), strict=True))
    for node in graph.nodes:
        results = compute(node, inner)
        read = tuple(inner[place] for place in operands(node))
        inner.update(results)
        for place, value in results.items():
            yield Made(inner_name(number, place), node.kind, read, value)
    found.update(zip(made, (inner[place] for place in graph.outputs), strict=True))


def _by_kernel(
    program: Program, step: Kernel, found: dict[int, Tensor], device: torch.device
) -> Iterator[Made]:
    given = [_argument(program, place, found) for place in step.arguments]
    read = tuple(item for item in given if isinstance(item, Tensor))
    made = {place: _empty(program, place, device) for place in results_of(program, step)}
    # Without data no operator can read a number. The file says the shapes, and the runtime has room for no others.
    if device.type != "meta":
        own = _OWN.get(step.name)
        if own is not None:
            made = {place: own(given, result) for place, result in made.items()}
        else:
            _call(_operator(step.name), given, [_written(program, place, made) for place in _outputs(step)])
    found.update(made)
    for place, value in made.items():
        yield Made(outer_name(place), step.name, read, value)


def results_of(program: Program, step: Kernel) -> list[int]:
    """The places that the step writes to: of one of torch's operators, the arguments that its schema says are results."""
    found: list[int] = []
    for place in _outputs(step):
        entry = program.values[place]
        found += entry.places if isinstance(entry, List) else [place]
    return found


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
    arguments, waiting = operator._schema.arguments, list(results)
    filled = [waiting.pop(0) if item.is_out else value for value, item in zip(given, arguments, strict=False)]
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


def _argument(program: Program, place: int, found: Mapping[int, Tensor]) -> Any:
    entry = program.values[place]
    if isinstance(entry, List):
        return [None if item < 0 else _argument(program, item, found) for item in entry.places]
    return found.get(place) if isinstance(entry, (Value, Constant)) else entry


_Own: TypeAlias = Callable[[list[Any], Tensor], Tensor]

# Of the runtime's own operators, by what they are given and what their result is like: the order of axes in memory is nothing that
# a value has.
_OWN: Mapping[str, _Own] = {
    "dim_order_ops::_to_dim_order_copy.out": lambda given, result: given[0].to(result.dtype),
    "dim_order_ops::_clone_dim_order.out": lambda given, _result: given[0].clone(),
    "dim_order_ops::_empty_dim_order.out": lambda _given, result: torch.zeros_like(result),
    "executorch_prim::et_view.default": lambda given, result: given[0].reshape(result.shape),
}
