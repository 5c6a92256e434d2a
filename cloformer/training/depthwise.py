"""Depthwise convolutions of small maps as products of matrices, for CPUs, where torch's backward pass is slow."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

__all__ = ["as_products"]

_POSITIONS = 64  # of the input's map; from 16 x 16 on, the convolution is faster
_NAME = "cloformer_products"
_Pair = tuple[int, int]


def as_products(model: nn.Module) -> None:
    """Let every depthwise convolution of ``model`` compute small maps as ``y_c = M_c x_c`` for each channel c, where
    ``M_c`` holds the kernel's taps. Equal in real arithmetic; weights and their names stay."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and _is_depthwise(module) and not hasattr(module, _NAME):
            setattr(module, _NAME, True)
            module.forward = _Products(module)  # type: ignore[method-assign, assignment]


def _is_depthwise(layer: nn.Conv2d) -> bool:
    return (
        layer.groups == layer.in_channels == layer.out_channels > 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


class _Products:
    def __init__(self, layer: nn.Conv2d) -> None:
        self.layer = layer

    def __call__(self, x_BCHW: Tensor) -> Tensor:
        layer = self.layer
        batch, channels, height, width = x_BCHW.shape
        if height * width > _POSITIONS:
            whole: Tensor = layer._conv_forward(x_BCHW, layer.weight, layer.bias)
            return whole
        places, rows, columns = _places(
            (height, width), layer.kernel_size, layer.stride, layer.padding, x_BCHW.device, x_BCHW.dtype
        )
        matrix_CPQ = (layer.weight.reshape(channels, -1) @ places).view(
            channels, rows * columns, height * width
        )
        y_CPB = torch.bmm(matrix_CPQ, x_BCHW.reshape(batch, channels, -1).permute(1, 2, 0))
        y_BCHW: Tensor = y_CPB.permute(2, 0, 1).contiguous().view(batch, channels, rows, columns)
        return y_BCHW if layer.bias is None else y_BCHW + layer.bias[:, None, None]


@lru_cache(maxsize=64)
def _places(
    size: _Pair, kernel: _Pair, stride: _Pair, padding: _Pair, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, int, int]:
    """1 where a tap (first axis) carries an input's position to an output's, and the output's rows and columns.

    Of each pair, the first number is vertical and the second horizontal.
    """
    vertical, horizontal = (_line(*along) for along in zip(size, kernel, stride, padding, strict=True))
    both = torch.einsum("ipq,jrs->ijprqs", vertical, horizontal)
    flat = both.reshape(kernel[0] * kernel[1], -1).to(device, dtype)
    return flat, vertical.shape[1], horizontal.shape[1]


def _line(length: int, kernel: int, stride: int, padding: int) -> Tensor:
    """(tap, output, input) in one direction."""
    outputs = (length + 2 * padding - kernel) // stride + 1
    tap, out, given = torch.meshgrid(
        torch.arange(kernel), torch.arange(outputs), torch.arange(length), indexing="ij"
    )
    return (out * stride + tap - padding == given).double()
