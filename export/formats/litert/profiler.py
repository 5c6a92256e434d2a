"""Where the time of a LiteRT model goes: the operators that its delegate computes, and those of the file that each is.

The delegate times its own operators, by names of its own; :mod:`..delegate_times` says which of the file's each is. What it makes a part of
another has no time by itself, and what it computes beside one of the file's, as the rounding of a layer's input, is a part of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cloformer.io.words import count

from ..delegate_times import aligned, refuse_layout, refuse_unseen
from ..profiler import ExecutedOperator, ProfiledRuns, Work
from ..runner import Array
from .file import Operator, dtype_of, name_of, operators, read_model, shape_of
from .native import Event, not_understood, timed_runs
from .rates import measure_rates
from .session import partitions
from .work_limit import multiply_adds

__all__ = ["UNCOUNTED", "WARM_UP", "measure_rates", "profile_runs"]

UNCOUNTED: frozenset[str] = frozenset()
WARM_UP = 10  # runs before those that count
_SQUARED = "Mean Squared"
_PADDED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_MULTIPLY = {"CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", "TRANSPOSE_CONV"}


@dataclass(frozen=True)
class _Timed:
    """An operator of the file, those before it that are a part of it, and its time in each run."""

    place: int
    parts: tuple[int, ...]
    us: tuple[int, ...]


def profile_runs(
    model: Path, inputs: Mapping[str, Array], *, threads: int, runs: int, layout: bool
) -> ProfiledRuns:
    """As :class:`..profiler.Profiler` says."""
    refuse_layout("LiteRT", layout=layout)
    file = read_model(model)
    found = list(operators(file))
    fed = _as_written(file, inputs)
    timed = timed_runs(model, file, fed, threads=threads, warm_up=WARM_UP, runs=runs)
    rows = list(_joined(model, file, found, [events for _, events in timed]))
    refuse_unseen("LiteRT", model, [item.us for item in rows])
    name = version("ai-edge-litert")
    return ProfiledRuns(
        runtime=f"LiteRT {name}",
        versions={"ai-edge-litert": name},
        warm_up=WARM_UP,
        operators=tuple(_operator(item, file, found) for item in rows),
        whole_us=tuple(whole for whole, _ in timed),
    )


def _as_written(file: Any, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Images turned where the file takes their channels last."""
    tensors = file.subgraphs[0].tensors
    shapes = {
        entry.name.decode(): shape_of(tensors[entry.tensorIndex]) for entry in file.signatureDefs[0].inputs
    }
    return {
        name: value if value.shape == shapes[name] else np.ascontiguousarray(value.transpose(0, 2, 3, 1))
        for name, value in inputs.items()
    }


def _joined(
    path: Path, file: Any, found: Sequence[Operator], runs: Sequence[Sequence[Event]]
) -> Iterator[_Timed]:
    """Each operator of the file that was timed, in its order."""
    first = runs[0]
    if any([event.name for event in run] != [event.name for event in first] for run in runs):
        raise not_understood("one run has other operators than another")
    taken = {place: [number] for number, event in enumerate(first) if (place := event.place) is not None}
    if any(
        place < len(found) and found[place].kind != first[number].name for place, (number,) in taken.items()
    ):
        raise not_understood("it times an operator at another's place")
    inside = [number for number, event in enumerate(first) if event.place is None]
    names = [first[number].name for number in inside]
    parts = _parts(file, found, names)
    pieces = sorted(partitions(path, found), key=min)
    places = [place for piece in pieces for place in sorted(piece) if place not in parts]
    joined = aligned([found[place].kind for place in places], names)
    if joined is None:
        raise not_understood(f"{count(names, 'operator')} of its delegate are not the file's {len(places)}")
    taken |= {place: [inside[each] for each in events] for place, events in zip(places, joined, strict=True)}
    for place in sorted(place for place, events in taken.items() if events and place < len(found)):
        before = tuple(part for part, whole in parts.items() if whole == place)
        us = tuple(sum(run[number].us for number in taken[place]) for run in runs)
        yield _Timed(place, before, us)


def _parts(model: Any, found: Sequence[Operator], names: Sequence[str]) -> dict[int, int]:
    """The file's operators that the delegate makes a part of another, with that one, by their places."""
    graph = model.subgraphs[0]
    computed = {place for item in found for place in item.outputs} | {int(place) for place in graph.inputs}
    readers: dict[int, list[int]] = {}
    for number, item in enumerate(found):
        for place in dict.fromkeys(item.inputs):
            readers.setdefault(place, []).append(number)
    squares = any(name.startswith(_SQUARED) for name in names)
    parts = {}
    for number, item in enumerate(found):
        reading = readers.get(item.outputs[0], [])
        if reading and (
            not computed & set(item.inputs)
            or (len(reading) == 1 and _is_part(item, found[reading[0]], graph.tensors, squares=squares))
        ):
            parts[number] = reading[0]
    return parts


def _is_part(item: Operator, reader: Operator, tensors: Sequence[Any], *, squares: bool) -> bool:
    if item.kind == "MUL":
        return squares and reader.kind == "MEAN" and len(set(item.inputs)) == 1
    is_by_range = [dtype_of(tensors[place]) for place in reader.inputs[:2]] == ["float32", "int8"]
    return item.kind == "PAD" and reader.kind in _PADDED and not is_by_range


def _operator(item: _Timed, file: Any, found: Sequence[Operator]) -> ExecutedOperator:
    tensors = file.subgraphs[0].tensors
    shapes = [shape_of(tensor) for tensor in tensors]
    operator = found[item.place]
    value = name_of(tensors[operator.outputs[0]])
    read = [place for place in operator.inputs if place >= 0]
    size = sum(_bytes(tensors[place]) for place in (*read, *operator.outputs))
    return ExecutedOperator(
        name=value,
        operator=operator.kind,
        taken=item.us,
        work=Work(multiply_adds(operator, shapes) if operator.kind in _MULTIPLY else 0, size),
        value=value,
        stands_for=tuple(found[place].kind for place in (*item.parts, item.place)),
        origin_values=(value, value.partition("/")[0]),
        output=shapes[operator.outputs[0]],
    )


def _bytes(tensor: Any) -> int:
    return math.prod(shape_of(tensor)) * np.dtype(dtype_of(tensor)).itemsize
