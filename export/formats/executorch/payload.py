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
from .limits import MOST_AXES

__all__ = ["NO_NODE", "NO_VALUE", "Graph", "Node", "Rounded", "Tensors", "read_payload"]

NO_VALUE = 2**32 - 1  # the place of a value that is left out
NO_NODE = 65535  # the number of an operator that comes from no node of the program
_NOWHERE = 2**64 - 1  # the offset of a constant that has a name
_MAGIC = b"XH00"

# XNNPACK's types of numbers that are stored as they are.
_TYPES = {1: torch.float32, 2: torch.float16, 12: torch.int32, 14: torch.bfloat16}
# Of whole numbers that scales make numbers of: one for all, or one for each index of an axis.
_WHOLE_TYPES = {3: torch.int8, 5: torch.int32, 6: torch.int8, 7: torch.int32}


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
class Rounded:
    """Whole numbers of the type ``dtype``: less ``zero_point``, times ``scales``, they are numbers. ``scales`` are float32, of no
    axis, or of as many as the value has, all but one of them of size 1."""

    dtype: torch.dtype
    scales: Tensor
    zero_point: int

    def whole(self, value: Tensor) -> Tensor:
        """The nearest of them; halves go to the even one, what is beyond the last to the last."""
        limits = torch.iinfo(self.dtype)
        found = torch.round(value / self.scales.to(value.device)) + self.zero_point
        return found.clamp(limits.min, limits.max).to(self.dtype)

    def number(self, whole: Tensor) -> Tensor:
        """What they stand for."""
        return (whole.float() - self.zero_point) * self.scales.to(whole.device)


@dataclass(frozen=True)
class Tensors:
    """A value of the graph: its shape as the file declares it, its numbers, if it is a constant, and what makes numbers of what
    is kept, if that are whole numbers."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    constant: Tensor | None
    rounded: Rounded | None = None


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
        table, rounding = item.table("xvalue_union"), None
        if table.kind == "XNNQuantizedTensorValue":
            table, rounding = table.table("tensor_value"), table.table("quant_params")
        place = table.whole("id_out")
        values[place] = _value(table, rounding, constants)
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


def _value(table: Table, rounding: Table | None, constants: list[bytes]) -> Tensors:
    shape, number, place = (
        tuple(table.wholes("dims")),
        table.whole("datatype"),
        table.whole("constant_buffer_idx"),
    )
    kind = (_TYPES if rounding is None else _WHOLE_TYPES).get(number)
    if kind is None or len(shape) > MOST_AXES or len(shape) != table.whole("num_dims"):
        raise FlatbufferError("has values of a type that this version does not read")
    rounded = None if rounding is None else _rounded(rounding, kind, shape, constants)
    if not place:
        return Tensors(shape, kind, None, rounded)
    kept = _numbers(constants, place, math.prod(shape), kind).reshape(shape)
    return Tensors(shape, kind, kept if rounded is None else rounded.number(kept), rounded)


def _numbers(constants: list[bytes], place: int, count: int, kind: torch.dtype) -> Tensor:
    if place >= len(constants) or len(constants[place]) != count * kind.itemsize:
        raise FlatbufferError("has a constant of another size than its shape says")
    return torch.frombuffer(bytearray(constants[place]), dtype=torch.uint8).view(kind)


def _rounded(table: Table, kind: torch.dtype, shape: tuple[int, ...], constants: list[bytes]) -> Rounded:
    if table.kind == "PerTensorQuant":
        scale = torch.tensor(float(table["scale"]), dtype=torch.float32)  # type: ignore[arg-type]
        return Rounded(kind, _steps(scale), table.whole("zero_point"))
    if table.kind != "PerChannelQuant":
        raise FlatbufferError("has values whose scales this version does not read")
    axis, count = table.whole("channel_dim"), table.whole("num_scales")
    if not 0 <= axis < len(shape) or shape[axis] != count:
        raise FlatbufferError("has another number of scales than its shape says")
    sizes = [count if place == axis else 1 for place in range(len(shape))]
    scales = _numbers(constants, table.whole("scale_buffer_idx"), count, torch.float32)
    return Rounded(kind, _steps(scales.reshape(sizes)), 0)


def _steps(scales: Tensor) -> Tensor:
    if not bool(((scales > 0) & scales.isfinite()).all()):
        raise FlatbufferError("has a scale that is no positive number")
    return scales


def _node(item: Table) -> Node:
    table = item.table("xnode_union")
    limits = item.fields.get("output_min_max")
    bounds = (-math.inf, math.inf)
    if isinstance(limits, Table):
        bounds = (float(limits["output_min"]), float(limits["output_max"]))  # type: ignore[arg-type]
    return Node(table.kind.removeprefix("XNN"), table, item.whole("debug_handle"), bounds)
