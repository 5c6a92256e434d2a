"""Activations as small integers (``iOS17/quantization_ops.py``)."""

from __future__ import annotations

import torch
from torch import Tensor

from cloformer.errors import InputError

from .._operator import operator
from ._shapes import along_axis

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


def _along(axis: int | None, value: Tensor, x: Tensor) -> Tensor:
    """One value for all of ``x``, or one for each position of ``axis``."""
    if axis is None or not value.ndim:
        return value
    return along_axis(x, value, axis)


@operator("quantize", specification="iOS17/quantization_ops.py: quantize")
def quantize(
    input: Tensor, scale: Tensor, output_dtype: str, zero_point: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """clip(round(input / scale) + zero_point), halves to the even number."""
    if output_dtype not in _RANGES:
        raise InputError(f"there is no quantization to {output_dtype!r}")
    steps = torch.round(input / _along(axis, scale, input))
    if zero_point is not None:
        steps = steps + _along(axis, zero_point, input)
    return steps.clamp(*_RANGES[output_dtype])


@operator("dequantize", specification="iOS17/quantization_ops.py: dequantize")
def dequantize(
    input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """scale (input - zero_point)"""
    steps = input if zero_point is None else input - _along(axis, zero_point, input)
    return steps * _along(axis, scale, input)
