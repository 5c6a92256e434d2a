"""The file of an ExecuTorch program, read from anybody: its values, the steps that it runs, and what its delegates are given.

The file is a flatbuffer, then segments: the constants of the program, the bytes of each delegate, and constants that delegates
name. What is read here is a single method that runs its steps one after the other; jumps, which may run without end, are refused.
"""

from __future__ import annotations

import functools
import importlib.resources
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import executorch
import torch
from torch import Tensor

from cloformer.errors import InputError
from cloformer.io.read import decoding, read_bytes

from .flat import FlatbufferError, Schema, Table, read

__all__ = ["MAX_BYTES", "Constant", "Delegated", "Kernel", "List", "Program", "Value", "read_program"]

MAX_BYTES = 2**32
MAX_ELEMENTS = 2**28  # of one value: 1 GiB of float32, a hundred times what a model for a phone has
METHOD = "forward"
_Item = TypeVar("_Item")
_AGAIN = "export it again"
_MAGIC, _HEADER = b"eh00", slice(8, 40)  # of the header behind the flatbuffer's own first bytes

# torch's types by the numbers of its own enumeration, which the file's are.
_TYPES = {
    0: torch.uint8, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.int64, 5: torch.float16, 6: torch.float32,
    7: torch.float64, 9: torch.complex64, 10: torch.complex128, 11: torch.bool, 15: torch.bfloat16,
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A tensor that is computed, or given. ``order``: its axes, as they lie in memory. ``memory``: where it lies, None if that is not
    planned: a view of another value is made by no step, and lies where that does."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    order: tuple[int, ...]
    memory: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Constant:
    """A tensor that the file has. ``order``: its axes, as they lie in the file."""

    tensor: Tensor
    order: tuple[int, ...]


@dataclass(frozen=True)
class List:
    """A list of values by their places; -1 stands for a tensor that is left out."""

    places: tuple[int, ...]


Entry: TypeAlias = Value | Constant | List | int | float | bool | str | list[float] | None


@dataclass(frozen=True)
class Kernel:
    """A step by an operator of the runtime: its name with its overload, and its arguments in the order of its schema, outputs
    included, by their places."""

    name: str
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class Delegated:
    """A step by a delegate: who that is, the bytes that it was made of, and its inputs and outputs by their places."""

    backend: str
    payload: bytes
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """``steps`` in the order they run, by the place of their instruction; ``named`` are constants that delegates share."""

    values: tuple[Entry, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: Mapping[int, Kernel | Delegated]
    named: Mapping[str, bytes]


def read_program(path: Path) -> Program:
    """The program of the file's only method; :class:`InputError` for a file that is none, or that may run without end."""
    data = read_bytes(path, MAX_BYTES, _AGAIN, follow_links=False)
    with decoding(f"{path} as an ExecuTorch program", _AGAIN):
        try:
            return _File(data).program()
        except FlatbufferError as error:
            raise InputError(f"{path} is no ExecuTorch program: it {error}", _AGAIN) from None


@functools.cache
def _schema() -> Schema:
    folder = importlib.resources.files(executorch).joinpath("schema")
    names = ("program.fbs", "scalar_type.fbs")
    return Schema.parse("\n".join(folder.joinpath(name).read_text("utf-8") for name in names))


class _File:
    def __init__(self, data: bytes) -> None:
        self._data, header = data, data[_HEADER]
        size, self._segments_at = len(data), len(data)  # of what has neither constants nor a delegate
        if header[:4] == _MAGIC:
            size, self._segments_at = (int.from_bytes(header[at : at + 8], "little") for at in (8, 16))
        self._root = read(data[:size], _schema(), "Program", b"ET12")
        self._segments = self._root.tables("segments")
        if len(self._root.tables("execution_plan")) != 1:
            raise FlatbufferError("has not one method, and an export has")
        (self._plan,) = self._root.tables("execution_plan")

    def program(self) -> Program:
        plan = self._plan
        if len(plan.tables("chains")) != 1 or plan.text("name") != METHOD:
            raise FlatbufferError(f"has no single method {METHOD!r}")
        entries = tuple(self._entry(item["val"]) for item in plan.tables("values"))
        steps = dict(self._steps(plan.tables("chains")[0], len(entries)))
        named = {
            item.text("key"): self._segment(item.whole("segment_index"))
            for item in self._root.tables("named_data")
        }
        inputs, outputs = (tuple(plan.wholes(name)) for name in ("inputs", "outputs"))
        for place in (*inputs, *outputs):
            _at(entries, place)
        return Program(entries, inputs, outputs, steps, named)

    def _segment(self, number: int) -> bytes:
        segment = _at(self._segments, number)
        start = self._segments_at + segment.whole("offset")
        if start + segment.whole("size") > len(self._data):
            raise FlatbufferError("ends before its last segment does")
        return self._data[start : start + segment.whole("size")]

    def _entry(self, value: object) -> Entry:
        if not isinstance(value, Table) or value.kind == "Null":
            return None
        if value.kind == "Tensor":
            return self._tensor(value)
        if value.kind in ("IntList", "TensorList", "OptionalTensorList"):
            return List(tuple(value.wholes("items")))
        (found,) = value.fields.values()
        return found  # type: ignore[return-value]  # of the schema's types

    def _tensor(self, table: Table) -> Value | Constant:
        shape, kind = tuple(table.wholes("sizes")), _TYPES.get(table.whole("scalar_type"))
        if kind is None or any(size < 0 for size in shape) or table.whole("storage_offset"):
            raise FlatbufferError("has a tensor of a kind that no export has")
        if math.prod(max(size, 1) for size in shape) > MAX_ELEMENTS:
            raise FlatbufferError(
                f"has a value of the shape {list(shape)}, more than {MAX_ELEMENTS} elements"
            )
        extra, place = table.fields.get("extra_tensor_info"), table.whole("data_buffer_idx")
        if isinstance(extra, Table) and extra.whole("location"):
            raise FlatbufferError("takes its weights from another file")
        axes = table.fields.get("dim_order")
        order = tuple(axes) if isinstance(axes, bytes) else ()
        if sorted(order) != list(range(len(shape))):
            raise FlatbufferError("has a tensor whose axes lie in no order")
        if not place:
            return Value(shape, kind, order, _memory(table.fields.get("allocation_info")))
        return Constant(self._numbers(place, shape, kind, order), order)

    def _numbers(
        self, place: int, shape: tuple[int, ...], kind: torch.dtype, order: tuple[int, ...]
    ) -> Tensor:
        """The constant, whose numbers lie in the file with its axes in this order."""
        segment = self._root.table("constant_segment")
        start = _at(segment.wholes("offsets"), place)
        size = math.prod(shape) * kind.itemsize
        data = self._segment(segment.whole("segment_index"))[start : start + size]
        if len(data) != size:
            raise FlatbufferError("has a constant of another size than its shape says")
        stored = _numbers_of(data, kind).reshape([shape[axis] for axis in order])
        return stored.permute([order.index(axis) for axis in range(len(shape))]).contiguous()

    def _steps(self, chain: Table, entries: int) -> Iterator[tuple[int, Kernel | Delegated]]:
        operators, delegates = self._plan.tables("operators"), self._plan.tables("delegates")
        for number, instruction in enumerate(chain.tables("instructions")):
            call = instruction.table("instr_args")
            if call.kind == "FreeCall":
                continue
            if call.kind not in ("KernelCall", "DelegateCall"):
                raise FlatbufferError(f"has an instruction ({call.kind}) that no export has")
            arguments = tuple(call.wholes("args"))
            if any(not 0 <= place < entries for place in arguments):
                raise FlatbufferError("refers to a value that is not there")
            if call.kind == "KernelCall":
                operator = _at(operators, call.whole("op_index"))
                overload = operator.text("overload")
                yield (
                    number,
                    Kernel(f"{operator.text('name')}{f'.{overload}' if overload else ''}", arguments),
                )
            else:
                delegate = _at(delegates, call.whole("delegate_index"))
                yield number, Delegated(delegate.text("id"), self._payload(delegate), arguments)

    def _payload(self, delegate: Table) -> bytes:
        where = delegate.table("processed")
        if where.whole("location"):
            return self._segment(where.whole("index"))
        data = _at(self._root.tables("backend_delegate_data"), where.whole("index"))["data"]
        return data if isinstance(data, bytes) else b""


def _memory(planned: object) -> tuple[int, ...] | None:
    if not isinstance(planned, Table):
        return None
    return tuple(planned.whole(name) for name in ("memory_id", "memory_offset_low", "memory_offset_high"))


def _numbers_of(data: bytes, kind: torch.dtype) -> Tensor:
    if not data:
        return torch.empty(0, dtype=kind)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(kind)


def _at(items: list[_Item] | tuple[_Item, ...], place: int) -> _Item:
    if not 0 <= place < len(items):
        raise FlatbufferError("refers to a part that is not there")
    return items[place]
