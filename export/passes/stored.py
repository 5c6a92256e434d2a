"""Operators of constants alone, whose result is a weight that a file keeps in fewer bits: each format writes them as its own.

PyTorch has none for blocks and palettes, and its operator for channels is a case of the first.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["NAMESPACE", "dequantize", "look_up"]

NAMESPACE = "cloformer"

_LIBRARY: Any = torch.library.Library(NAMESPACE, "DEF")  # type: ignore[no-untyped-call]
_LIBRARY.define("dequantize(Tensor data, Tensor scales) -> Tensor")
_LIBRARY.define("look_up(Tensor palette, Tensor indices) -> Tensor")


def _dequantize(data: Tensor, scales: Tensor) -> Tensor:
    """Whole numbers times the scale of their block: ``scales`` has the rank of ``data``, and each of its sizes divides the
    other's."""
    wide = scales
    for axis, (size, blocks) in enumerate(zip(data.shape, scales.shape, strict=True)):
        if 1 < blocks < size:
            wide = wide.repeat_interleave(size // blocks, dim=axis)
    return data.to(scales.dtype) * wide


def _look_up(palette: Tensor, indices: Tensor) -> Tensor:
    """Of each index, the palette's number."""
    return palette[indices.long()]


_LIBRARY.impl("dequantize", _dequantize, "CompositeExplicitAutograd")
_LIBRARY.impl("look_up", _look_up, "CompositeExplicitAutograd")
dequantize: Any = torch.ops.cloformer.dequantize.default
look_up: Any = torch.ops.cloformer.look_up.default
