"""Operators between numbers and what a file keeps or computes in fewer bits: each format writes them as its own.

PyTorch has none for blocks and palettes, and its operators for tensors and channels are cases of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

__all__ = ["NAMESPACE", "dequantize", "look_up", "quantize", "round_by_range", "rounded_value"]

NAMESPACE = "cloformer"

_LIBRARY: Any = torch.library.Library(NAMESPACE, "DEF")  # type: ignore[no-untyped-call]
_LIBRARY.define("dequantize(Tensor data, Tensor scales, int zero_point=0) -> Tensor")
_LIBRARY.define("quantize(Tensor value, Tensor scale, int zero_point) -> Tensor")
_LIBRARY.define("round_by_range(Tensor value, int[] axes) -> Tensor")
_LIBRARY.define("look_up(Tensor palette, Tensor indices) -> Tensor")


_LOWEST, _HIGHEST = -128, 127


def _dequantize(data: Tensor, scales: Tensor, zero_point: int = 0) -> Tensor:
    """Whole numbers, or shorter ones, less the one that stands for zero, times the scale of their block: ``scales`` has the rank of ``data``,
    and each of its sizes divides the other's; or it is one for all, of no axis."""
    wide = scales
    for axis, (size, blocks) in enumerate(zip(data.shape, scales.shape, strict=scales.ndim > 0)):
        if 1 < blocks < size:
            wide = wide.repeat_interleave(size // blocks, dim=axis)
    return (data.to(scales.dtype) - zero_point) * wide


def _quantize(value: Tensor, scale: Tensor, zero_point: int) -> Tensor:
    """The nearest of 256 numbers, one ``scale`` apart, as a whole number from -128 to 127: halves go to the even step, what is
    beyond the last to the last. ``zero_point`` is the one that stands for zero."""
    return (torch.round(value / scale) + zero_point).clamp(_LOWEST, _HIGHEST).to(torch.int8)


def _round_by_range(value: Tensor, axes: Sequence[int]) -> Tensor:
    """The nearest of 256 numbers from the least to the largest along ``axes``, between which zero is one: halves go to the even
    step. Which whole number stands for zero is decided by the end of the range that is farther away, as XNNPACK does it
    (``xnn_f32_qd8_asymmetric_quantization_params`` in its ``quantization.h``)."""
    low, high = (
        value.amin(list(axes), keepdim=True).clamp(max=0),
        value.amax(list(axes), keepdim=True).clamp(min=0),
    )
    scale = torch.where(low == high, 1.0, (_HIGHEST - _LOWEST) / (high - low))
    is_low = _LOWEST + low * scale + _HIGHEST + high * scale > 0
    zero = torch.where(is_low, _LOWEST - low * scale, _HIGHEST - high * scale)
    zero = torch.round(zero.clamp(_LOWEST, _HIGHEST))
    return ((torch.round(value * scale) + zero).clamp(_LOWEST, _HIGHEST) - zero) / scale


def _look_up(palette: Tensor, indices: Tensor) -> Tensor:
    """Of each index, the palette's number."""
    return palette[indices.long()]


_LIBRARY.impl("dequantize", _dequantize, "CompositeExplicitAutograd")
_LIBRARY.impl("quantize", _quantize, "CompositeExplicitAutograd")
_LIBRARY.impl("round_by_range", _round_by_range, "CompositeExplicitAutograd")
_LIBRARY.impl("look_up", _look_up, "CompositeExplicitAutograd")
dequantize: Any = torch.ops.cloformer.dequantize.default
quantize: Any = torch.ops.cloformer.quantize.default
round_by_range: Any = torch.ops.cloformer.round_by_range.default
look_up: Any = torch.ops.cloformer.look_up.default


def rounded_value(node: fx.Node) -> fx.Node | None:
    """The value that ``node`` is, rounded: of one that makes numbers of whole ones that depend on an input, or that rounds to what it
    is given itself."""
    if node.target is round_by_range:
        return node.all_input_nodes[0]
    if node.target is not dequantize or node.all_input_nodes[0].target is not quantize:
        return None
    return node.all_input_nodes[0].all_input_nodes[0]
