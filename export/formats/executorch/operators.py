"""What the operators of XNNPACK compute, as its headers define them: images lie with their channels last."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from .flat import FlatbufferError, Table
from .payload import NO_NODE, NO_VALUE, Graph, Node

__all__ = ["OPERATORS", "compute", "is_channels_last", "operands", "stored_operands"]

_TRANSPOSED_WEIGHTS = 0x1  # flags of XNNPACK's
_ALIGN_CORNERS = 0x8
_KEEP_DIMENSIONS = 0x40

Values: TypeAlias = Mapping[int, Tensor]
_Operator: TypeAlias = Callable[[Table, Values], Tensor]

# What the fields of operands are called.
_OPERANDS = (
    "input_id", "input1_id", "input2_id", "input3_id", "input4_id", "input5_id", "filter_id", "bias_id", "query_id", "key_id",
    "value_id", "scale_id", "mask_id",
)  # fmt: skip


def operands(node: Node) -> list[int]:
    """The places of what the node is given."""
    found = [node.fields.fields.get(name) for name in _OPERANDS]
    return [place for place in found if isinstance(place, int) and place != NO_VALUE]


# By kind, the operands that are a layer's weight and bias, each with the order in which torch has its axes.
_STORED: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "Conv2d": {"filter_id": (0, 3, 1, 2), "bias_id": (0,)},
    "DepthwiseConv2d": {"filter_id": (3, 0, 1, 2), "bias_id": (0,)},
    "FullyConnected": {"filter_id": (0, 1), "bias_id": (0,)},
}


def stored_operands(graph: Graph, node: Node) -> dict[int, tuple[int, ...]]:
    """The places of a layer's weight and bias, in this order, as far as they are kept as whole numbers, and the order in which torch has
    their axes."""
    found = {node.fields.fields.get(name): order for name, order in _STORED.get(node.kind, {}).items()}
    return {
        place: order
        for place, order in found.items()
        if isinstance(place, int) and place in graph.values and graph.values[place].rounded is not None
    }


# Of images with their channels last; and what has its axes as the program has them, which then lie otherwise before it.
_OF_IMAGES = (
    "ArgMaxPooling2d", "AvgPooling2d", "Conv2d", "ConvTranspose2d", "DepthwiseConv2d", "GlobalAvgPooling2d", "MaxPooling2d",
    "StaticResizeBilinear2D",
)  # fmt: skip
_OF_AXES = ("BatchMatrixMultiply", "FullyConnected", "ScaledDotProductAttention", "Softmax", "StaticReshape")


def is_channels_last(node: Node, channels_last: Container[int]) -> bool:
    """Whether an image that the node gives has its channels last; ``channels_last`` are the places of those before it that do."""
    if (
        node.kind == "StaticTranspose"
    ):  # one that the delegate put there turns images from one order to the other
        return node.handle == NO_NODE and node.fields.whole("input_id") not in channels_last
    read = any(place in channels_last for place in operands(node))
    return node.kind in _OF_IMAGES or (read and node.kind not in _OF_AXES)


def compute(node: Node, values: Values) -> dict[int, Tensor]:
    """The node's results by their places. :class:`FlatbufferError` for an operator that is not known here, and whatever torch
    raises of operands that do not fit."""
    if node.kind == "ArgMaxPooling2d":
        return _largest_with_place(node.fields, values)
    operator = OPERATORS.get(node.kind)
    if operator is None:
        raise FlatbufferError(f"has an operator of XNNPACK's ({node.kind}) that this version does not know")
    found = operator(node.fields, values)
    return {node.output: found if node.is_free else found.clamp(*node.bounds)}


def _given(table: Table, values: Values, name: str = "input_id") -> Tensor:
    return values[table.whole(name)]


def _one(function: Callable[[Tensor], Tensor]) -> _Operator:
    return lambda table, values: function(_given(table, values))


def _two(function: Callable[[Tensor, Tensor], Tensor]) -> _Operator:
    return lambda table, values: function(
        _given(table, values, "input1_id"), _given(table, values, "input2_id")
    )


def _first(images_NHWC: Tensor) -> Tensor:
    return images_NHWC.permute(0, 3, 1, 2)


def _last(images_NCHW: Tensor) -> Tensor:
    return images_NCHW.permute(0, 2, 3, 1)


def _pair(table: Table, name: str) -> tuple[int, int]:
    return table.whole(f"{name}_height"), table.whole(f"{name}_width")


def _padded(table: Table, images_NHWC: Tensor, value: float = 0.0) -> Tensor:
    """With channels first."""
    sides = [table.whole(f"padding_{side}") for side in ("left", "right", "top", "bottom")]
    return F.pad(_first(images_NHWC), sides, value=value) if any(sides) else _first(images_NHWC)


def _bias(table: Table, values: Values) -> Tensor | None:
    place = table.whole("bias_id")
    return None if place == NO_VALUE else values[place]


def _convolution(table: Table, values: Values) -> Tensor:
    weight = _first(values[table.whole("filter_id")])
    return _convolved(table, values, weight, table.whole("groups"))


def _depthwise(table: Table, values: Values) -> Tensor:
    """The weight is [1, height, width, channels]."""
    weight = values[table.whole("filter_id")].permute(3, 0, 1, 2)
    return _convolved(table, values, weight, table.whole("groups"))


def _convolved(table: Table, values: Values, weight: Tensor, groups: int) -> Tensor:
    sizes = (
        table.whole("groups") * table.whole("group_output_channels"),
        table.whole("group_input_channels"),
    )
    if tuple(weight.shape) != (*sizes, *_pair(table, "kernel")):
        raise FlatbufferError("has a convolution whose weight is not of the size that it says")
    images = _padded(table, _given(table, values, "input1_id"))
    stride, dilation = _pair(table, "subsampling"), _pair(table, "dilation")
    return _last(F.conv2d(images, weight, _bias(table, values), stride, 0, dilation, groups))


def _transposed_convolution(table: Table, values: Values) -> Tensor:
    """The weight is [groups * outputs of a group, height, width, inputs of a group]."""
    groups, made = table.whole("groups"), table.whole("group_output_channels")
    weight_OIHW = _first(values[table.whole("filter_id")])
    weight = weight_OIHW.reshape(groups, made, *weight_OIHW.shape[1:]).transpose(1, 2).flatten(0, 1)
    before, behind = (
        (table.whole(f"padding_{a}"), table.whole(f"padding_{b}"))
        for a, b in (("top", "left"), ("bottom", "right"))
    )
    if before != behind:
        raise FlatbufferError("has a transposed convolution that is cut unevenly, which no export has")
    images, bias = _first(_given(table, values, "input1_id")), _bias(table, values)
    stride, dilation = _pair(table, "subsampling"), _pair(table, "dilation")
    return _last(
        F.conv_transpose2d(images, weight, bias, stride, before, _pair(table, "adjustment"), groups, dilation)
    )


def _fully_connected(table: Table, values: Values) -> Tensor:
    weight = values[table.whole("filter_id")]
    if table.whole("flags") & _TRANSPOSED_WEIGHTS:
        weight = weight.t()
    bias = _bias(table, values)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise FlatbufferError("has a linear layer whose bias is not of the size of its result")
    return F.linear(_given(table, values, "input1_id"), weight, bias)


def _average_pooling(table: Table, values: Values) -> Tensor:
    """What is padded does not count."""
    images = _padded(table, _given(table, values))
    counted = _padded(table, torch.ones_like(_given(table, values)))
    size, stride = _pair(table, "pooling"), _pair(table, "stride")
    return _last(F.avg_pool2d(images, size, stride) / F.avg_pool2d(counted, size, stride))


def _max_pooling(table: Table, values: Values) -> Tensor:
    images = _padded(table, _given(table, values), -float("inf"))
    return _last(
        F.max_pool2d(images, _pair(table, "pooling"), _pair(table, "stride"), 0, _pair(table, "dilation"))
    )


def _largest_with_place(table: Table, values: Values) -> dict[int, Tensor]:
    images = _padded(table, _given(table, values), -float("inf"))
    found, places = F.max_pool2d(
        images, _pair(table, "pooling"), _pair(table, "pooling"), return_indices=True
    )
    # The place inside the window.
    row, column = places // images.shape[-1], places % images.shape[-1]
    height, width = _pair(table, "pooling")
    inside = (row % height) * width + column % width
    return {
        table.whole("output_value_id"): _last(found),
        table.whole("output_index_id"): _last(inside).to(torch.int32),
    }


def _resized(table: Table, values: Values) -> Tensor:
    size = (table.whole("new_height"), table.whole("new_width"))
    aligned = bool(table.whole("flags") & _ALIGN_CORNERS)
    return _last(F.interpolate(_first(_given(table, values)), size, mode="bilinear", align_corners=aligned))


def _padded_by_constant(table: Table, values: Values) -> Tensor:
    sides = zip(table.wholes("pre_paddings"), table.wholes("post_paddings"), strict=True)
    flat = [number for pair in reversed(list(sides)) for number in pair]
    return F.pad(_given(table, values), flat, value=float(table["padding_value"]))  # type: ignore[arg-type]


def _sliced(table: Table, values: Values) -> Tensor:
    found = _given(table, values)
    for axis, (start, size) in enumerate(zip(table.wholes("offsets"), table.wholes("sizes"), strict=True)):
        found = found.narrow(axis, start, size or found.shape[axis] - start)
    return found


def _reshaped(table: Table, values: Values) -> Tensor:
    return _given(table, values).reshape([size or -1 for size in table.wholes("new_shape")])


def _joined(table: Table, values: Values) -> Tensor:
    names = [f"input{number}_id" for number in range(1, 6)]
    return torch.cat(
        [values[table.whole(name)] for name in names if table.whole(name) != NO_VALUE], table.whole("axis")
    )


def _attention(table: Table, values: Values) -> Tensor:
    query, key, value, scale, mask = (
        values[table.whole(f"{name}_id")] for name in ("query", "key", "value", "scale", "mask")
    )
    return torch.softmax((query * scale) @ key.transpose(-1, -2) + mask, -1) @ value


def _mean(table: Table, values: Values) -> Tensor:
    return _given(table, values).mean([1, 2], keepdim=bool(table.whole("flags") & _KEEP_DIMENSIONS))


def _number(table: Table, name: str) -> float:
    return float(table[name])  # type: ignore[arg-type]


OPERATORS: Mapping[str, _Operator] = {
    "Abs": _one(torch.abs),
    "Add": _two(torch.add),
    "AvgPooling2d": _average_pooling,
    "BatchMatrixMultiply": _two(torch.matmul),
    "Ceiling": _one(torch.ceil),
    "Clamp": _one(lambda value: value),  # by the node's bounds
    "Concatenate2": _joined,
    "Concatenate3": _joined,
    "Concatenate4": _joined,
    "Concatenate5": _joined,
    "Conv2d": _convolution,
    "Convert": _one(lambda value: value),  # by what its result is rounded to
    "ConvTranspose2d": _transposed_convolution,
    "Copy": _one(lambda value: value),
    "Cos": _one(torch.cos),
    "DepthwiseConv2d": _depthwise,
    "Div": _two(torch.div),
    "ELU": lambda table, values: F.elu(_given(table, values), _number(table, "alpha")),
    "Exp": _one(torch.exp),
    "Floor": _one(torch.floor),
    "FullyConnected": _fully_connected,
    "Gelu": _one(F.gelu),
    "GlobalAvgPooling2d": _mean,
    "Hardswish": _one(F.hardswish),
    "LeakyReLU": lambda table, values: F.leaky_relu(_given(table, values), _number(table, "negative_slope")),
    "Log": _one(torch.log),
    "Maximum": _two(torch.maximum),
    "MaxPooling2d": _max_pooling,
    "Minimum": _two(torch.minimum),
    "Multiply": _two(torch.mul),
    "Negate": _one(torch.neg),
    "PReLU": _two(lambda value, slope: torch.where(value < 0, value * slope, value)),
    "ReciprocalSquareRoot": _one(torch.rsqrt),
    "ScaledDotProductAttention": _attention,
    "Sigmoid": _one(torch.sigmoid),
    "Sin": _one(torch.sin),
    "Softmax": _one(lambda value: torch.softmax(value, -1)),
    "Square": _one(torch.square),
    "SquareRoot": _one(torch.sqrt),
    "StaticConstantPad": _padded_by_constant,
    "StaticReshape": _reshaped,
    "StaticResizeBilinear2D": _resized,
    "StaticSlice": _sliced,
    "StaticTranspose": lambda table, values: _given(table, values).permute(table.wholes("perm")),
    "Subtract": _two(torch.sub),
    "Tanh": _one(torch.tanh),
}
