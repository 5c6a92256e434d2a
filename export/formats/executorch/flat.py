"""Flatbuffers from anybody, read by the schema that describes them.

Every offset is held to the bytes that are there, and no more values are read than a sound file of so many bytes can have: tables
and vectors may be referred to from several places, so that a small file could else be read without end. Which fields a
table has, and in which order, is read from the schema as ExecuTorch ships it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["FlatbufferError", "Schema", "Table", "read"]

# The scalars of the schema language, as `struct` names them.
_SCALARS = {
    "bool": "?", "byte": "b", "int8": "b", "ubyte": "B", "uint8": "B", "short": "h", "int16": "h", "ushort": "H",
    "uint16": "H", "int": "i", "int32": "i", "uint": "I", "uint32": "I", "float": "f", "float32": "f", "long": "q",
    "int64": "q", "ulong": "Q", "uint64": "Q", "double": "d", "float64": "d",
}  # fmt: skip
_MOST_OF_A_BYTE = (
    8  # values that a byte may be read as: names and layouts of tables are shared in sound files
)
_MOST_DEPTH = 32

_COMMENT = re.compile(r"//[^\n]*")
_BLOCK = re.compile(r"\b(table|union|enum)\s+(\w+)(?:\s*:\s*(\w+))?\s*\{([^}]*)\}")
_FIELD = re.compile(r"(\w+)\s*:\s*(\[?)\s*(\w+)\s*\]?")
_MEMBER = re.compile(r"(\w+)(?:\s*:\s*(\w+))?")


class FlatbufferError(Exception):
    """The bytes are not what the schema describes."""


@dataclass(frozen=True)
class _Field:
    """``kind`` is a scalar, "string", or the name of a table, union or enum."""

    name: str
    kind: str
    is_vector: bool

    @property
    def absent(self) -> int | bool:
        """What a scalar is that is not there: neither schema has other defaults."""
        return False if self.kind == "bool" else 0


@dataclass(frozen=True)
class Schema:
    """Fields by table, tables by the members of each union, and the scalar that each enum is stored as."""

    tables: Mapping[str, tuple[_Field, ...]]
    unions: Mapping[str, tuple[tuple[str, str], ...]]
    enums: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Schema:
        """The schema in its own language, as far as ExecuTorch's use it."""
        tables, unions, enums = {}, {}, {}
        for what, name, kind, body in _BLOCK.findall(_COMMENT.sub("", text)):
            if what == "enum":
                enums[name] = kind or "byte"
            elif what == "union":
                members = [_MEMBER.search(item) for item in body.split(",")]
                unions[name] = tuple((found[1], found[2] or found[1]) for found in members if found)
            else:
                tables[name] = tuple(_field(item) for item in body.split(";") if item.strip())
        return cls(tables, unions, enums)


def _field(text: str) -> _Field:
    found = _FIELD.search(text)
    assert found is not None, text
    return _Field(found[1], found[3], bool(found[2]))


@dataclass(frozen=True)
class Table:
    """A table that was read: its name, in a union the member's, and its fields; None for what is absent and no scalar."""

    kind: str
    fields: Mapping[str, object] = field(default_factory=dict)

    def __getitem__(self, name: str) -> object:
        return self.fields[name]

    def whole(self, name: str) -> int:
        """A whole number; :class:`FlatbufferError` if the field is none."""
        value = self.fields.get(name)
        if not isinstance(value, int):
            raise FlatbufferError(f"{self.kind}.{name} is no number")
        return value

    def wholes(self, name: str) -> list[int]:
        """A vector of whole numbers; an absent one is empty."""
        return [value for value in self._vector(name) if isinstance(value, int)]

    def tables(self, name: str) -> list[Table]:
        """A vector of tables; an absent one is empty."""
        return [value for value in self._vector(name) if isinstance(value, Table)]

    def table(self, name: str) -> Table:
        """A table that has to be there."""
        value = self.fields.get(name)
        if not isinstance(value, Table):
            raise FlatbufferError(f"{self.kind}.{name} is not there")
        return value

    def text(self, name: str) -> str:
        """A string; an absent one is empty."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def _vector(self, name: str) -> list[object]:
        value = self.fields.get(name)
        return list(value) if isinstance(value, (list, tuple)) else []


def read(data: bytes, schema: Schema, root: str, identifier: bytes) -> Table:
    """The root table of ``data``; :class:`FlatbufferError` for bytes that are no such flatbuffer."""
    reader = _Reader(data, schema)
    if data[4:8] != identifier:
        raise FlatbufferError(f"does not begin as {identifier.decode()} does")
    return reader.table(reader.place(0), root, 0)


class _Reader:
    def __init__(self, data: bytes, schema: Schema) -> None:
        self._data, self._schema = data, schema
        self._left = _MOST_OF_A_BYTE * len(data)

    def scalar(self, at: int, code: str) -> int | float | bool:
        self._spend(1)
        size = struct.calcsize(code)
        if at < 0 or at + size > len(self._data):
            raise FlatbufferError("refers to bytes that are not there")
        value: int | float | bool = struct.unpack_from(f"<{code}", self._data, at)[0]
        return value

    def place(self, at: int) -> int:
        """Where the offset at this place leads."""
        return at + int(self.scalar(at, "I"))

    def table(self, at: int, name: str, depth: int, kind: str | None = None) -> Table:
        if depth > _MOST_DEPTH:
            raise FlatbufferError("is nested too deep")
        layout = at - int(self.scalar(at, "i"))
        slots = (int(self.scalar(layout, "H")) - 4) // 2
        found: dict[str, object] = {}
        slot = 0
        for item in self._schema.tables[name]:
            if item.kind in self._schema.unions:  # two slots: which member it is, and the member
                member, value = (self._slot(at, layout, slots, slot + number) for number in (0, 1))
                found[item.name] = self._union(item.kind, member, value, depth)
                slot += 2
                continue
            where = self._slot(at, layout, slots, slot)
            found[item.name] = self._field(item, where, depth)
            slot += 1
        return Table(kind or name, found)

    def _slot(self, at: int, layout: int, slots: int, slot: int) -> int | None:
        offset = int(self.scalar(layout + 4 + 2 * slot, "H")) if slot < slots else 0
        return at + offset if offset else None

    def _union(self, kind: str, member: int | None, value: int | None, depth: int) -> Table | None:
        number = int(self.scalar(member, "B")) if member is not None else 0
        if number == 0 or value is None:
            return None
        members = self._schema.unions[kind]
        if number > len(members):
            raise FlatbufferError(f"has a {kind} that this ExecuTorch does not know")
        name, table = members[number - 1]
        return self.table(self.place(value), table, depth + 1, name)

    def _field(self, item: _Field, where: int | None, depth: int) -> object:
        code = _SCALARS.get(self._schema.enums.get(item.kind, item.kind))
        if item.is_vector:
            return None if where is None else self._vector(self.place(where), item.kind, code, depth)
        if code is not None:
            return item.absent if where is None else self.scalar(where, code)
        if where is None:
            return None
        return self._single(where, item.kind, depth)

    def _single(self, where: int, kind: str, depth: int) -> object:
        if kind == "string":
            return self._bytes(self.place(where)).decode("utf-8", "replace")
        return self.table(self.place(where), kind, depth + 1)

    def _vector(self, at: int, kind: str, code: str | None, depth: int) -> object:
        if code == "B":
            return self._bytes(at)
        count = int(self.scalar(at, "I"))
        size = struct.calcsize(code) if code else 4
        if at + 4 + count * size > len(self._data):
            raise FlatbufferError("has a vector that ends behind its last byte")
        if code is not None:
            self._spend(count)
            return list(struct.unpack_from(f"<{count}{code}", self._data, at + 4))
        return [self._single(at + 4 + 4 * number, kind, depth) for number in range(count)]

    def _bytes(self, at: int) -> bytes:
        count = int(self.scalar(at, "I"))
        if at + 4 + count > len(self._data):
            raise FlatbufferError("has text that ends behind its last byte")
        self._spend(count)
        return self._data[at + 4 : at + 4 + count]

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise FlatbufferError("refers to the same values again and again")
