"""Numbers rounded to a grid, as training for quantization does."""

from __future__ import annotations

import torch
from torch import Tensor

from ._table import defines

aten = torch.ops.aten


@defines(
    aten.fake_quantize_per_tensor_affine.default,
    aten.fake_quantize_per_tensor_affine.tensor_qparams,
    aten.fake_quantize_per_channel_affine.default,
    aten._fake_quantize_learnable_per_tensor_affine.default,
)
def fake_quantize(
    self: Tensor,
    scale: Tensor | float,
    zero_point: Tensor | int,
    quant_min: int,
    quant_max: int,
    axis: int | None = None,
    **_: object,
) -> Tensor:
    """s (clamp(round(x / s) + z, least, most) - z)"""
    if isinstance(zero_point, Tensor):
        if zero_point.is_floating_point():  # one that is learned
            zero_point = zero_point.round().clamp(quant_min, quant_max)
        zero_point = zero_point.to(self.dtype)
    if axis is not None and isinstance(scale, Tensor) and isinstance(zero_point, Tensor):
        scale, zero_point = _along(scale, self.ndim, axis), _along(zero_point, self.ndim, axis)
    place = torch.clamp((self * (1 / scale)).round() + zero_point, quant_min, quant_max)
    return (place - zero_point) * scale


def _along(value: Tensor, rank: int, axis: int) -> Tensor:
    return value.reshape([-1 if place == axis % rank else 1 for place in range(rank)])
