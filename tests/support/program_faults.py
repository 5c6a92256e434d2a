"""Faults planted in the files of ExecuTorch programs: numbers changed where they lie."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloformer.export.formats.executorch import file, flat, payload

__all__ = ["KIND", "Inside", "Place", "change_field", "change_weight", "inside", "places"]

KIND = "kind"  # the field that says which operator a node is


@dataclass(frozen=True)
class Place:
    """A scalar of a table in the file: the table's and the field's name, where it lies, how it is written, and its value."""

    table: str
    field: str
    at: int
    code: str
    value: int | float
    within: tuple[int, ...] = ()  # which tables of the file it lies in, the outermost first


@dataclass(frozen=True)
class Inside:
    """An operator that a delegate is given: its step, the graph, the node, the places of its fields, those of its bounds too, and
    those of what the file says of its result."""

    step: int
    graph: payload.Graph
    node: payload.Node
    places: tuple[Place, ...]
    made: tuple[Place, ...]

    def named(self, *fields: str) -> list[Place]:
        return [place for place in self.places if place.field in fields]


class _Noting(flat._Reader):
    """Notes where each scalar lies."""

    def __init__(self, data: bytes, schema: flat.Schema, start: int) -> None:
        super().__init__(data, schema)
        self._start, self.found, self._inside = start, list[Place](), ["?"]
        self._within, self._count = list[int](), 0

    def table(self, at: int, name: str, depth: int, kind: str | None = None) -> flat.Table:
        self._inside.append(kind or name)
        self._within.append(self._count)
        self._count += 1
        try:
            return super().table(at, name, depth, kind)
        finally:
            self._inside.pop()
            self._within.pop()

    def _union(self, kind: str, member: int | None, value: int | None, depth: int) -> flat.Table | None:
        if member is not None and kind == "XNodeUnion":
            number = int(self.scalar(member, "B"))
            self._note(KIND, member, "B", number)
        return super()._union(kind, member, value, depth)

    def _note(self, field: str, where: int, code: str, value: int | float) -> None:
        place = Place(self._inside[-1], field, self._start + where, code, value, tuple(self._within))
        self.found.append(place)

    def _field(self, item: flat._Field, where: int | None, depth: int) -> object:
        value = super()._field(item, where, depth)
        code = flat._SCALARS.get(item.kind)
        if where is not None and code is not None and isinstance(value, (int, float)):
            self._note(item.name, where, code, value)
        return value

    def _vector(self, at: int, kind: str, code: str | None, depth: int) -> object:
        value = super()._vector(at, kind, code, depth)
        if code is not None and code != "B" and isinstance(value, list):
            size = struct.calcsize(code)
            for number, item in enumerate(value):
                self._note("item", at + 4 + size * number, code, item)
        return value


def places(path: Path) -> Iterator[Place]:
    """Every scalar of the program and of its delegates."""
    data = path.read_bytes()
    size = int.from_bytes(data[16:24], "little")
    program = _Noting(data[:size], file._schema(), 0)
    program.table(program.place(0), "Program", 0)
    yield from program.found
    for _, step in _delegated(path):
        yield from _noted(data, step).found


def inside(path: Path) -> Iterator[Inside]:
    """Every operator that the delegates are given."""
    data, program = path.read_bytes(), file.read_program(path)
    for number, step in _delegated(path):
        graph = payload.read_payload(step.payload, program.named)
        found = _noted(data, step).found
        # What says which operator it is lies beside its number and its bounds, and its fields one table further inside.
        heads = [place for place in found if place.field == KIND]
        values = {place.value: place.within[:2] for place in found if place.field == "id_out"}
        for head, node in zip(heads, graph.nodes, strict=True):
            own = [place for place in found if place.within[: len(head.within)] == head.within]
            made = [place for place in found if place.within[:2] == values.get(node.output)]
            yield Inside(number, graph, node, tuple(own), tuple(made))


def _delegated(path: Path) -> Iterator[tuple[int, file.Delegated]]:
    for number, step in file.read_program(path).steps.items():
        if isinstance(step, file.Delegated):
            yield number, step


def _noted(data: bytes, step: file.Delegated) -> _Noting:
    start, length = (int.from_bytes(step.payload[at : at + 4], "little") for at in (10, 14))
    at = data.index(step.payload) + start
    graph = _Noting(data[at : at + length], payload._schema(), at)
    graph.table(graph.place(0), "XNNGraph", 0)
    return graph


def change_field(
    path: Path, table: str, field: str, change: Callable[[float], float], number: int = 0
) -> Place:
    """Such a scalar that is finite, the first or one behind it, with another value; the place as it was."""
    named = (item for item in places(path) if (item.table, item.field) == (table, field))
    found = [item for item in named if math.isfinite(item.value)][number]
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{found.code}", data, found.at, change(found.value))
    path.write_bytes(data)
    return found


def change_weight(path: Path, size: int, change: Callable[[float], float]) -> None:
    """The first number of the constant that has so many bytes."""
    data = bytearray(path.read_bytes())
    program = file.read_program(path)
    (weights,) = {item for item in program.named.values() if len(item) == size}
    at = data.index(weights)
    struct.pack_into("<f", data, at, change(*struct.unpack_from("<f", data, at)))
    path.write_bytes(data)
