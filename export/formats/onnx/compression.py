"""Weights that are stored small, as ``DequantizeLinear`` of whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxscript

from ...passes.stored import dequantize

__all__ = ["translations"]


op: Any = onnxscript.opset20  # its operators used here are the same in every opset that is written


def translations() -> dict[Callable[..., object], Callable[..., object]]:
    """What torch.onnx is to write for operators of ours."""
    return {dequantize: _dequantized}


def _dequantized(data: Any, scales: Any) -> Any:
    """With one scale for each index of an axis, or one for all."""
    axes = [axis for axis, size in enumerate(scales.shape) if size != 1]
    scale = op.Reshape(scales, op.Constant(value_ints=[-1] if axes else []))
    return op.DequantizeLinear(data, scale, axis=axes[0] if axes else 0)
