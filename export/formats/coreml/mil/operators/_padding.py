"""Padding of spatial axes by MIL's four kinds."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from cloformer.errors import InputError

from ..types import element_count

__all__ = ["Sides", "pad_spatial", "padding_of"]

Sides = list[tuple[int, int]]


def padding_of(
    pad_type: str,
    pad: Sequence[int] | None,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Sides:
    """Zeros before and after each spatial axis.

    ``same`` gives ceil(size / stride) outputs with the odd zero behind, ``same_lower`` with it in front.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom":
        pad = pad or [0] * (2 * len(sizes))
        return list(zip(pad[::2], pad[1::2], strict=True))
    if pad_type not in ("same", "same_lower"):
        raise InputError(f"there is no padding {pad_type!r}")
    sides = []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + (k - 1) * dilation + 1 - size, 0)
        low = (total + 1) // 2 if pad_type == "same_lower" else total // 2
        sides.append((low, total - low))
    return sides


def pad_spatial(x: Tensor, sides: Sides, value: float = 0.0) -> Tensor:
    """``x`` (N, C, ..) with ``value`` around its spatial axes; torch lists the last axis first."""
    sizes = (low + size + high for size, (low, high) in zip(x.shape[2:], sides, strict=True))
    element_count((*x.shape[:2], *sizes), "the padded input")
    flat = [amount for side in reversed(sides) for amount in side]
    return F.pad(x, flat, value=value) if any(flat) else x
