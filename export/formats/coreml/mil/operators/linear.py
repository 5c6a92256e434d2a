"""Convolutions and products (``conv.py``, ``linear.py``)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cloformer.errors import UnsupportedError

from .._operator import Ints, Tensors, operator
from ..types import element_count
from ._narrow import half, narrow_matmul
from ._padding import Sides, pad_spatial, padding_of
from ._shapes import Span, along_axis, product_count

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _output_sizes(x: Tensor, padding: Sides, weight: Tensor, strides: Ints, dilations: Ints) -> list[int]:
    """Those of the spatial axes."""
    sizes = [
        (low + size + high - (k - 1) * d - 1) // s + 1
        for size, (low, high), k, s, d in zip(
            x.shape[2:], padding, weight.shape[2:], strides, dilations, strict=True
        )
    ]
    element_count((len(x), len(weight), *sizes), "the result")
    return sizes


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
    padding = padding_of(pad_type, pad, x.shape[2:], kernel, strides, dilations)
    sizes = _output_sizes(x, padding, weight, strides, dilations)
    x = pad_spatial(x, padding)
    x_grouped = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
    weight_grouped = weight.reshape(
        groups, -1, *weight.shape[1:]
    )  # groups, out / groups, in / groups, *kernel
    total = x.new_zeros(x.shape[0], groups, weight_grouped.shape[1], *sizes)
    for channel, *place in itertools.product(range(weight.shape[1]), *map(range, kernel)):
        window = _window(place, sizes, strides, dilations)
        seen_at: tuple[Span, ...] = (slice(None), slice(None), slice(channel, channel + 1), *window)
        factor_at: tuple[Span | int, ...] = (slice(None), slice(None), channel, *place)
        seen, factor = x_grouped[seen_at], weight_grouped[factor_at]
        total = half(total + half(seen * factor.reshape(1, groups, -1, *[1] * rank)))
    total = total.flatten(1, 2)
    return total if bias is None else half(total + along_axis(total, bias))


def _window(place: Sequence[int], sizes: Ints, strides: Ints, dilations: Ints) -> tuple[Span, ...]:
    """What a kernel's number at ``place`` is multiplied with, for outputs of ``sizes``."""
    return tuple(
        slice(p * d, p * d + (n - 1) * s + 1, s)
        for p, d, n, s in zip(place, dilations, sizes, strides, strict=True)
    )


def _each_channel(
    x: Tensor, weight: Tensor, bias: Tensor | None, sizes: Ints, strides: Ints, dilations: Ints
) -> Tensor:
    """A padded ``x`` with one kernel per channel, tap after tap: torch takes a call per channel in float64."""
    total = x.new_zeros(*x.shape[:2], *sizes)
    for place in itertools.product(*map(range, weight.shape[2:])):
        window: tuple[Span, ...] = (slice(None), slice(None), *_window(place, sizes, strides, dilations))
        tap: tuple[Span | int, ...] = (slice(None), 0, *place)
        total.addcmul_(x[window], along_axis(x, weight[tap]))
    return total if bias is None else total + along_axis(total, bias)


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
    sizes = _output_sizes(x, padding, weight, strides, dilations)
    if groups == x.shape[1] == weight.shape[0] > 1 and weight.shape[1] == 1 and x.is_floating_point():
        return _each_channel(pad_spatial(x, padding), weight, bias, sizes, strides, dilations)
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
    full = [
        (size - 1) * s + (k - 1) * d + 1
        for size, k, s, d in zip(x.shape[2:], weight.shape[2:], strides, dilations, strict=True)
    ]
    element_count((len(x), weight.shape[1] * groups, *full), "the result before it is cut")
    whole = _TRANSPOSED[rank](x, weight, None, strides, 0, 0, groups, dilations)
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
    element_count((*whole.shape[:2], *wanted), "the result")
    for axis, (low, want) in enumerate(zip(before, wanted, strict=True), start=2):
        missing = low + want - whole.shape[axis]
        if missing > 0:  # the positions beyond the last kernel get the bias alone
            whole = F.pad(whole, [0, 0] * (whole.ndim - 1 - axis) + [0, missing])
        whole = whole.narrow(axis, low, want)
    return whole if bias is None else whole + along_axis(whole, bias)


def _alike(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Since iOS 17 a constant may be of another type than what it is multiplied with."""
    dtype = torch.promote_types(x.dtype, y.dtype)
    return x.to(dtype), y.to(dtype)


def _narrow_product(x: Tensor, y: Tensor) -> Tensor:
    """As ``torch.matmul``, vectors included."""
    result = narrow_matmul(x if x.ndim > 1 else x[None], y if y.ndim > 1 else y[:, None])
    result = result if y.ndim > 1 else result.squeeze(-1)
    return result if x.ndim > 1 else result.squeeze(-1 if y.ndim == 1 else -2)


def _linear_factors(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """``x`` and the transposed weight, of one type and not too large to be multiplied."""
    x, weight_T = _alike(x, weight.T)
    product_count(x, weight_T)
    return x, weight_T


def _narrow_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    result = _narrow_product(*_linear_factors(x, weight))
    return result if bias is None else half(result + along_axis(result, bias, -1))


@operator("linear", specification="iOS15, iOS17/linear.py: linear", narrow=_narrow_linear)
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias, along the last axis."""
    result = torch.matmul(*_linear_factors(x, weight))
    return result if bias is None else result + along_axis(result, bias, -1)


def _matmul_factors(x: Tensor, y: Tensor, transpose_x: bool, transpose_y: bool) -> tuple[Tensor, Tensor]:
    """Both as they are multiplied, of one type and not too large; a vector has nothing to transpose in front."""
    x = x.mT if transpose_x and x.ndim > 1 else x
    x, y = _alike(x, y.mT if transpose_y and y.ndim > 1 else y)
    product_count(x, y)
    return x, y


def _narrow_matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    return _narrow_product(*_matmul_factors(x, y, transpose_x, transpose_y))


@operator("matmul", specification="iOS15, iOS17/linear.py: matmul", narrow=_narrow_matmul)
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """Of the last two axes, the others are broadcast; a vector is a row in front, a column behind."""
    return torch.matmul(*_matmul_factors(x, y, transpose_x, transpose_y))


def _einsum_factors(values: Tensors, equation: str) -> tuple[Tensor, Tensor]:
    """The two values with their matrices on the last two axes: (.., H, C, W) and (.., H, W, U)."""
    left, _, rest = equation.replace(" ", "").partition(",")
    batch, c, h, w, u = left[:-3], left[-3:-2], left[-2:-1], left[-1:], rest[-1:]
    if len(values) != 2 or rest != f"{batch}{w}{h}{u}->{batch}{c}{h}{u}" or len({*left, u}) <= len(left):
        raise UnsupportedError(f"the equation {equation!r} is not known")
    x, y = (value.transpose(-3, -2) for value in values)
    product_count(x, y)
    return x, y


def _narrow_einsum(values: Tensors, equation: str) -> Tensor:
    return narrow_matmul(*_einsum_factors(values, equation)).transpose(-3, -2)


@operator("einsum", specification="iOS15/linear.py: einsum", narrow=_narrow_einsum)
def einsum(values: Tensors, equation: str) -> Tensor:
    """``nchw,nwhu->nchu`` or ``chw,whu->chu``, in any letters: matrices on the last and third last axis."""
    return torch.matmul(*_einsum_factors(values, equation)).transpose(-3, -2)
