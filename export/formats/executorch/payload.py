"""What the delegate XNNPACK is given: a graph of its own, with its own operators, attributes and constants."""

from __future__ import annotations

import functools
import importlib.resources
import math
from collections.abc import Mapping
from dataclasses import dataclass

import executorch
import torch
from torch import Tensor

from .flat import FlatbufferError, Schema, Table, read

__all__ = ["NO_VALUE", "Graph", "Node", "Tensors", "read_payload"]

NO_VALUE = 2**32 - 1  # the place of a value that is left out
_NOWHERE = 2**64 - 1  # the offset of a constant that has a name
_MAGIC = b"XH00"
_MOST_AXES = 6

# XNNPACK's types of numbers that are stored as they are.
_TYPES = {1: torch.float32, 2: torch.float16, 12: torch.int32, 14: torch.bfloat16}


@dataclass(frozen=True)
class Node:
    """An operator of XNNPACK: its kind without the schema's prefix, its attributes and operands, the number that says which node
    of the program it comes from, and the bounds of its result."""

    kind: str
    fields: Table
    handle: int
    bounds: tuple[float, float]

    @property
    def is_free(self) -> bool:
        """Whether its result has no bounds."""
        return self.bounds == (-math.inf, math.inf)

    @property
    def output(self) -> int:
        """The place of its first result."""
        return self.fields.whole("output_value_id" if self.kind == "ArgMaxPooling2d" else "output_id")


@dataclass(frozen=True)
class Tensors:
    """A value of the graph: its shape as the file declares it, and its numbers, if it is a constant."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    constant: Tensor | None


@dataclass(frozen=True)
class Graph:
    """``values`` by their places. ``inputs`` and ``outputs`` are places in the order of the step's arguments."""

    nodes: tuple[Node, ...]
    values: Mapping[int, Tensors]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@functools.cache
def _schema() -> Schema:
    file = importlib.resources.files(executorch).joinpath("backends/xnnpack/serialization/schema.fbs")
    return Schema.parse(file.read_text("utf-8"))


def read_payload(data: bytes, named: Mapping[str, bytes]) -> Graph:
    """The graph; ``named`` are the file's constants by name. :class:`FlatbufferError` for bytes that are none."""
    if data[4:8] != _MAGIC:
        raise FlatbufferError("has a delegate whose bytes do not begin as XNNPACK's do")
    start, size = (int.from_bytes(data[at : at + 4], "little") for at in (10, 14))
    constants_at = int.from_bytes(data[18:22], "little")
    root = read(data[start : start + size], _schema(), "XNNGraph", b"XN01")
    constants = [_bytes_of(item, data[constants_at:], named) for item in root.tables("constant_data")]
    values: dict[int, Tensors] = {}
    outside: dict[int, int] = {}
    for item in root.tables("xvalues"):
        table = item.table("xvalue_union")
        if table.kind != "XNNTensorValue":
            raise FlatbufferError("has values of 8 bits, which this version does not read")
        place = table.whole("id_out")
        values[place] = _value(table, constants)
        if table.whole("external_id") != NO_VALUE:
            outside[place] = table.whole("external_id")
    given, made = (
        tuple(sorted(root.wholes(name), key=lambda place: outside.get(place, NO_VALUE)))
        for name in ("input_ids", "output_ids")
    )
    nodes = tuple(_node(item) for item in root.tables("xnodes"))
    for node in nodes:
        _refuse_computed_weights(node, values)
    return Graph(nodes, values, given, made)


def _refuse_computed_weights(node: Node, values: Mapping[int, Tensors]) -> None:
    """XNNPACK takes it for granted that weights are constants, and a bias one number for each channel: else it reads what is not
    there."""
    places = {name: node.fields.fields.get(name, NO_VALUE) for name in ("filter_id", "bias_id")}
    for name, place in places.items():
        if place == NO_VALUE:
            continue
        value = values.get(place) if isinstance(place, int) else None
        if value is None or value.constant is None or (name == "bias_id" and len(value.shape) != 1):
            raise FlatbufferError(f"has a layer ({node.kind}) whose weights are no constants")


def _bytes_of(item: Table, behind: bytes, named: Mapping[str, bytes]) -> bytes:
    start, size = item.whole("offset"), item.whole("size")
    data = named.get(item.text("named_key"), b"") if start == _NOWHERE else behind[start : start + size]
    if len(data) < size:
        raise FlatbufferError("has a constant that ends before its last byte")
    return data[:size]


def _value(table: Table, constants: list[bytes]) -> Tensors:
    shape, kind, place = (
        tuple(table.wholes("dims")),
        _TYPES.get(table.whole("datatype")),
        table.whole("constant_buffer_idx"),
    )
    if kind is None or len(shape) > _MOST_AXES:
        raise FlatbufferError("has values of a type that this version does not read")
    if not place:
        return Tensors(shape, kind, None)
    if place >= len(constants) or len(constants[place]) != math.prod(shape) * kind.itemsize:
        raise FlatbufferError("has a constant of another size than its shape says")
    numbers = torch.frombuffer(bytearray(constants[place]), dtype=torch.uint8).view(kind)
    return Tensors(shape, kind, numbers.reshape(shape))


def _node(item: Table) -> Node:
    table = item.table("xnode_union")
    limits = item.fields.get("output_min_max")
    bounds = (-math.inf, math.inf)
    if isinstance(limits, Table):
        bounds = (float(limits["output_min"]), float(limits["output_max"]))  # type: ignore[arg-type]
    return Node(table.kind.removeprefix("XNN"), table, item.whole("debug_handle"), bounds)
