"""Faults planted in the files of ExecuTorch programs: numbers changed where they lie."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloformer.export.formats.executorch import file, flat, payload

__all__ = ["Place", "change_field", "change_weight", "places"]


@dataclass(frozen=True)
class Place:
    """A scalar of a table in the file: the table's and the field's name, where it lies, how it is written, and its value."""

    table: str
    field: str
    at: int
    code: str
    value: int | float


class _Noting(flat._Reader):
    """Notes where each scalar lies."""

    def __init__(self, data: bytes, schema: flat.Schema, start: int) -> None:
        super().__init__(data, schema)
        self._start, self.found, self._inside = start, list[Place](), ["?"]

    def table(self, at: int, name: str, depth: int, kind: str | None = None) -> flat.Table:
        self._inside.append(kind or name)
        try:
            return super().table(at, name, depth, kind)
        finally:
            self._inside.pop()

    def _field(self, item: flat._Field, where: int | None, depth: int) -> object:
        value = super()._field(item, where, depth)
        code = flat._SCALARS.get(item.kind)
        if where is not None and code is not None and isinstance(value, (int, float)):
            self.found.append(Place(self._inside[-1], item.name, self._start + where, code, value))
        return value

    def _vector(self, at: int, kind: str, code: str | None, depth: int) -> object:
        value = super()._vector(at, kind, code, depth)
        if code is not None and code != "B" and isinstance(value, list):
            size = struct.calcsize(code)
            self.found += [
                Place(self._inside[-1], "item", self._start + at + 4 + size * number, code, item)
                for number, item in enumerate(value)
            ]
        return value


def places(path: Path) -> Iterator[Place]:
    """Every scalar of the program and of its delegates."""
    data = path.read_bytes()
    size = int.from_bytes(data[16:24], "little")
    program = _Noting(data[:size], file._schema(), 0)
    program.table(program.place(0), "Program", 0)
    yield from program.found
    for step in file.read_program(path).steps.values():
        if isinstance(step, file.Delegated):
            start, length = (int.from_bytes(step.payload[at : at + 4], "little") for at in (10, 14))
            at = data.index(step.payload) + start
            graph = _Noting(data[at : at + length], payload._schema(), at)
            graph.table(graph.place(0), "XNNGraph", 0)
            yield from graph.found


def change_field(path: Path, table: str, field: str, change: Callable[[float], float]) -> Place:
    """The first such scalar that is finite, with another value; the place as it was."""
    named = (item for item in places(path) if (item.table, item.field) == (table, field))
    found = next(item for item in named if math.isfinite(item.value))
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
