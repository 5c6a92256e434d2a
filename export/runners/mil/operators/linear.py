"""Convolutions and products (``conv.py``, ``linear.py``)."""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ....errors import InputError
from .._operator import Ints, Tensors, operator
from ._narrow import half, narrow_matmul
from ._padding import pad_spatial, padding_of

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _narrow_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    rank = x.ndim - 2
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    kernel = list(weight.shape[2:])
    x = pad_spatial(x, padding_of(pad_type, pad, x.shape[2:], kernel, strides, dilations))
    sizes = [
        (size - (k - 1) * d - 1) // s + 1
        for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True)
    ]
    x_grouped = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
    weight_grouped = weight.reshape(
        groups, -1, *weight.shape[1:]
    )  # groups, out / groups, in / groups, *kernel
    total = x.new_zeros(x.shape[0], groups, weight_grouped.shape[1], *sizes)
    for channel, *place in itertools.product(range(weight.shape[1]), *map(range, kernel)):
        window = tuple(
            slice(p * d, p * d + (n - 1) * s + 1, s)
            for p, d, n, s in zip(place, dilations, sizes, strides, strict=True)
        )
        seen_at: tuple[Any, ...] = (slice(None), slice(None), slice(channel, channel + 1), *window)
        factor_at: tuple[Any, ...] = (slice(None), slice(None), channel, *place)
        seen, factor = x_grouped[seen_at], weight_grouped[factor_at]
        total = half(total + half(seen * factor.reshape(1, groups, -1, *[1] * rank)))
    total = total.flatten(1, 2)
    return total if bias is None else half(total + bias.reshape(-1, *[1] * rank))


@operator("conv", specification="iOS15, iOS17/conv.py: conv", narrow=_narrow_conv)
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of 1, 2 or 3 spatial axes; x (N, C, ..), weight (out, C / groups, ..)."""
    rank = x.ndim - 2
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    padding = padding_of(pad_type, pad, x.shape[2:], weight.shape[2:], strides, dilations)
    if all(before == after for before, after in padding):  # torch pads both sides alike without a copy
        sides = [before for before, _ in padding]
        return _CONVOLUTIONS[rank](x, weight, bias, strides, sides, dilations, groups)
    return _CONVOLUTIONS[rank](pad_spatial(x, padding), weight, bias, strides, 0, dilations, groups)


@operator("conv_transpose", specification="iOS15, iOS17/conv.py: conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Ints | None = None,
    output_shape: Ints | None = None,
    pad_type: str = "valid",
    strides: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Tensor:
    """The transpose of ``conv``: every input number adds a scaled kernel; padding is cut off the result."""
    rank = x.ndim - 2
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    whole = _TRANSPOSED[rank](x, weight, None, strides, 0, 0, groups, dilations)
    full = list(whole.shape[2:])
    if pad_type in ("same", "same_lower"):
        wanted = [size * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
        cut = [max(have - want, 0) for have, want in zip(full, wanted, strict=True)]
        before = [(c + 1) // 2 if pad_type == "same_lower" else c // 2 for c in cut]
        before = [c // 2 for c in cut] if pad_type == "same" else before
    else:
        pad = pad if pad_type == "custom" and pad is not None else [0] * (2 * rank)
        before = pad[::2]
        wanted = [have - low - high for have, low, high in zip(full, before, pad[1::2], strict=True)]
    if output_shape is not None:
        wanted = output_shape[2:]
    for axis, (low, want) in enumerate(zip(before, wanted, strict=True), start=2):
        missing = low + want - whole.shape[axis]
        if missing > 0:  # the positions beyond the last kernel get the bias alone
            whole = F.pad(whole, [0, 0] * (whole.ndim - 1 - axis) + [0, missing])
        whole = whole.narrow(axis, low, want)
    return whole if bias is None else whole + bias.reshape(-1, *[1] * rank)


def _narrow_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rows = x if x.ndim > 1 else x[None]
    product = narrow_matmul(rows, weight.T)
    product = product if x.ndim > 1 else product[0]
    return product if bias is None else half(product + bias)


@operator("linear", specification="iOS15, iOS17/linear.py: linear", narrow=_narrow_linear)
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product = x @ weight.T
    return product if bias is None else product + bias


def _oriented(x: Tensor, y: Tensor, transpose_x: bool, transpose_y: bool) -> tuple[Tensor, Tensor]:
    x = x.transpose(-1, -2) if transpose_x and x.ndim > 1 else x
    return x, y.transpose(-1, -2) if transpose_y and y.ndim > 1 else y


def _narrow_matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    x, y = _oriented(x, y, transpose_x, transpose_y)
    result = narrow_matmul(x if x.ndim > 1 else x[None], y if y.ndim > 1 else y[:, None])
    result = result if y.ndim > 1 else result.squeeze(-1)
    return result if x.ndim > 1 else result.squeeze(-1 if y.ndim == 1 else -2)


@operator("matmul", specification="iOS15, iOS17/linear.py: matmul", narrow=_narrow_matmul)
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    return torch.matmul(*_oriented(x, y, transpose_x, transpose_y))


def _narrow_einsum(values: Tensors, equation: str) -> Tensor:
    """Its products are over the last axis of the first operand and the third last of the second."""
    if equation.replace(" ", "").count(",") != 1 or len(values) != 2:
        raise InputError(f"the equation {equation!r} is not one of two operands")
    left, right = (value.transpose(-3, -2) for value in values)  # .., H, C, W1 and .., H, W1, W2
    return narrow_matmul(left, right).transpose(-3, -2)


@operator("einsum", specification="iOS15/linear.py: einsum", narrow=_narrow_einsum)
def einsum(values: Tensors, equation: str) -> Tensor:
    return torch.einsum(equation, *values)
