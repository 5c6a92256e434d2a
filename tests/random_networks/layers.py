"""Layers that take a map and give a map: convolutions of every kind, normalizations, activations, pooling, resizing."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .draw import Draw, Function, Maker, Shape

__all__ = ["ACTIVATIONS", "CONVOLUTIONS", "NORMALIZATIONS", "POOLINGS", "RESIZINGS", "ChannelsLast"]


class ChannelsLast(nn.Module):
    """A layer on the last axis, applied to channels."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class PaddedByHand(nn.Module):
    """As TensorFlow's "same": more on one side than on the other."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.convolution, self.kernel = nn.Conv2d(channels, channels, kernel, stride), kernel

    def forward(self, x: Tensor) -> Tensor:
        all_around = self.kernel - 1
        less = all_around // 2
        return self.convolution(F.pad(x, (less, all_around - less, less, all_around - less)))


class AlongTheRows(nn.Module):
    """A convolution of one dimension over the pixels in a row."""

    def __init__(self, channels: int, kernel: int, dilation: int, groups: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(
            channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=groups
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x.flatten(2)).view_as(x)


class Stacked(nn.Module):
    """A convolution of three dimensions over groups of channels as depth."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.convolution, self.depth = nn.Conv3d(depth, depth, 3, padding=1), depth

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x.unflatten(1, (self.depth, -1))).flatten(1, 2)


def _width(draw: Draw, shape: Shape) -> int:
    return draw.one_of(4, 6, 8, 12, shape[0])


def _plain(draw: Draw, shape: Shape) -> nn.Module:
    kernel = draw.one_of(1, 3, 3, 5, 7)
    return nn.Conv2d(shape[0], _width(draw, shape), kernel, padding=kernel // 2, bias=draw.chance(0.7))


def _strided(draw: Draw, shape: Shape) -> nn.Module:
    kernel, stride = draw.one_of((2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (1, 2))
    return nn.Conv2d(shape[0], _width(draw, shape), kernel, stride, padding=draw.one_of(0, kernel // 2))


def _oblong(draw: Draw, shape: Shape) -> nn.Module:
    kernel = draw.one_of((1, 3), (3, 1), (5, 3), (1, 7))
    return nn.Conv2d(
        shape[0],
        _width(draw, shape),
        kernel,
        padding=(kernel[0] // 2, kernel[1] // 2),
        stride=draw.one_of(1, (1, 2), (2, 1)),
    )


def _dilated(draw: Draw, shape: Shape) -> nn.Module:
    dilation = draw.one_of((2, 2), (3, 3), (1, 2))
    return nn.Conv2d(shape[0], _width(draw, shape), 3, padding=dilation, dilation=dilation)


def _grouped(draw: Draw, shape: Shape) -> nn.Module:
    groups = draw.divisor(shape[0], least=2)
    return nn.Conv2d(shape[0], groups * draw.one_of(1, 2, 3), 3, padding=1, groups=groups)


def _depthwise(draw: Draw, shape: Shape) -> nn.Module:
    kernel = draw.one_of(3, 5, 7)
    return nn.Conv2d(
        shape[0], shape[0], kernel, draw.one_of(1, 1, 2), kernel // 2, groups=shape[0], bias=draw.chance(0.5)
    )


def _separable(draw: Draw, shape: Shape) -> nn.Module:
    return nn.Sequential(_depthwise(draw, shape), nn.Conv2d(shape[0], _width(draw, shape), 1))


def _transposed(draw: Draw, shape: Shape) -> nn.Module:
    kernel, stride, padding, more = draw.one_of(
        (2, 2, 0, 0), (3, 2, 1, 1), (4, 2, 1, 0), (3, 1, 1, 0), (3, 2, 0, 0)
    )
    groups = draw.one_of(1, draw.divisor(shape[0]))
    return nn.ConvTranspose2d(
        shape[0], groups * 4, kernel, stride, padding, more, groups=groups, bias=draw.chance(0.7)
    )


def _same(draw: Draw, shape: Shape) -> nn.Module:
    return nn.Conv2d(
        shape[0], _width(draw, shape), draw.one_of(2, 3, 4), padding="same", dilation=draw.one_of(1, 2)
    )


def _reflected(draw: Draw, shape: Shape) -> nn.Module:
    mode = draw.one_of("reflect", "replicate", "circular")
    return nn.Conv2d(shape[0], _width(draw, shape), 3, padding=1, padding_mode=mode)


def _by_hand(draw: Draw, shape: Shape) -> nn.Module:
    return PaddedByHand(shape[0], draw.one_of(2, 3, 4), draw.one_of(1, 2))


def _along_the_rows(draw: Draw, shape: Shape) -> nn.Module:
    return AlongTheRows(shape[0], draw.one_of(3, 5, 9), draw.one_of(1, 1, 2), draw.one_of(1, shape[0]))


def _stacked(draw: Draw, shape: Shape) -> nn.Module:
    return Stacked(draw.divisor(shape[0], most=4, least=2))


def _parallel(draw: Draw, shape: Shape) -> nn.Module:
    """As RepVGG trains: a 3x3, a 1x1 and the identity, each with its normalization, summed."""
    return Summed(
        nn.Sequential(nn.Conv2d(shape[0], shape[0], 3, padding=1, bias=False), nn.BatchNorm2d(shape[0])),
        nn.Sequential(nn.Conv2d(shape[0], shape[0], 1, bias=False), nn.BatchNorm2d(shape[0])),
        nn.BatchNorm2d(shape[0]),
    )


class Summed(nn.Module):
    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        found = self.branches[0](x)
        for branch in self.branches[1:]:
            found = found + branch(x)
        return found


CONVOLUTIONS: dict[str, Maker] = {
    "convolution": _plain, "strided": _strided, "oblong": _oblong, "dilated": _dilated, "grouped": _grouped,
    "depthwise": _depthwise, "separable": _separable, "transposed": _transposed, "same": _same,
    "padded otherwise": _reflected, "padded by hand": _by_hand, "along the rows": _along_the_rows,
    "of three dimensions": _stacked, "parallel": _parallel,
}  # fmt: skip


class RootMeanSquare(nn.Module):
    """Written out, with its gain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Response(nn.Module):
    """ConvNeXt 2's global response normalization."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = (nn.Parameter(torch.zeros(channels, 1, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        size = x.norm(p=2, dim=(2, 3), keepdim=True)
        return x + self.weight * (x * (size / (size.mean(1, keepdim=True) + 1e-6))) + self.bias


class Standardized(nn.Module):
    """By mean and standard deviation, written out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return (x - mean) / torch.sqrt(x.var((2, 3), keepdim=True, unbiased=False) + 1e-3) * self.weight


NORMALIZATIONS: dict[str, Maker] = {
    "batch norm": lambda draw, shape: nn.BatchNorm2d(shape[0], eps=draw.one_of(1e-5, 1e-3), affine=draw.chance(0.8)),
    "group norm": lambda draw, shape: nn.GroupNorm(draw.divisor(shape[0]), shape[0]),
    "one group": lambda draw, shape: nn.GroupNorm(1, shape[0], affine=draw.chance(0.8)),
    "instance norm": lambda draw, shape: nn.InstanceNorm2d(shape[0], affine=draw.chance(0.5)),
    "tracked instance norm": lambda draw, shape: nn.InstanceNorm2d(shape[0], affine=True, track_running_stats=True),
    "layer norm of channels": lambda draw, shape: ChannelsLast(nn.LayerNorm(shape[0], eps=draw.one_of(1e-5, 1e-6))),
    "layer norm of everything": lambda draw, shape: nn.LayerNorm(shape, elementwise_affine=draw.chance(0.5)),
    "root mean square": lambda draw, shape: ChannelsLast(nn.RMSNorm(shape[0], eps=draw.one_of(None, 1e-5))),
    "root mean square written out": lambda draw, shape: ChannelsLast(RootMeanSquare(shape[0])),
    "unit length": lambda draw, shape: Function("F.normalize", partial(F.normalize, dim=1)),
    "response": lambda draw, shape: Response(shape[0]),
    "standardized": lambda draw, shape: Standardized(shape[0]),
    "local response": lambda draw, shape: nn.LocalResponseNorm(draw.one_of(3, 5)),
    "softmax over channels": lambda draw, shape: nn.Softmax(1),
    "softmax over places": lambda draw, shape: Function("softmax over places", lambda x: x.flatten(2).softmax(-1).view_as(x) * 8),
}  # fmt: skip


def _prelu(draw: Draw, shape: Shape) -> nn.Module:
    return nn.PReLU(draw.one_of(1, shape[0]))


ACTIVATIONS: dict[str, Maker] = {
    "relu": lambda *_: nn.ReLU(),
    "relu6": lambda *_: nn.ReLU6(),
    "leaky relu": lambda draw, _: nn.LeakyReLU(draw.one_of(0.01, 0.1, 0.2)),
    "prelu": _prelu,
    "elu": lambda draw, _: nn.ELU(draw.one_of(1.0, 0.7)),
    "selu": lambda *_: nn.SELU(),
    "celu": lambda draw, _: nn.CELU(draw.one_of(1.0, 0.5)),
    "gelu": lambda *_: nn.GELU(),
    "gelu by tanh": lambda *_: nn.GELU(approximate="tanh"),
    "quick gelu": lambda *_: Function("x * sigmoid(1.702 x)", lambda x: x * torch.sigmoid(1.702 * x)),
    "silu": lambda *_: nn.SiLU(),
    "mish": lambda *_: nn.Mish(),
    "hardswish": lambda *_: nn.Hardswish(),
    "hardsigmoid": lambda *_: nn.Hardsigmoid(),
    "hardtanh": lambda draw, _: nn.Hardtanh(draw.number(-2, -0.5), draw.number(0.5, 2)),
    "softplus": lambda draw, _: nn.Softplus(beta=draw.one_of(1, 2)),
    "softsign": lambda *_: nn.Softsign(),
    "tanh": lambda *_: nn.Tanh(),
    "sigmoid": lambda *_: nn.Sigmoid(),
    "log sigmoid": lambda *_: nn.LogSigmoid(),
    "tanhshrink": lambda *_: nn.Tanhshrink(),
    "hardshrink": lambda *_: nn.Hardshrink(0.4),
    "softshrink": lambda *_: nn.Softshrink(0.2),
    "threshold": lambda *_: nn.Threshold(0.1, 0.3),
    "clamp": lambda draw, _: _between(draw.number(-1.5, 0), draw.number(0.1, 2)),
    "absolute": lambda *_: Function("abs", torch.abs),
    "square": lambda *_: Function("x ** 2 / 4", lambda x: x.clamp(-8, 8) ** 2 / 4),
    "root": lambda *_: Function("sqrt(|x| + 0.1)", lambda x: torch.sqrt(x.abs() + 0.1)),
    "bell": lambda *_: Function("exp(-x ** 2)", lambda x: torch.exp(-x.square())),
    "waves": lambda *_: Function("sin(x) + cos(2 x)", lambda x: torch.sin(x) + torch.cos(2 * x)),
    "logarithm": lambda *_: Function("log(1 + |x|)", lambda x: torch.log1p(x.abs())),
    "error function": lambda *_: Function("erf", torch.erf),
    "reciprocal": lambda *_: Function("1 / (1 + |x|)", lambda x: 1 / (1 + x.abs())),
    "power": lambda *_: Function("(|x| + 0.2) ** 1.5", lambda x: (x.abs() + 0.2) ** 1.5),
    "arc tangent": lambda *_: Function("atan", torch.atan),
}  # fmt: skip


def _between(low: float, high: float) -> nn.Module:
    return Function(f"clamp({low}, {high})", lambda x: x.clamp(low, high))


def _max_pool(draw: Draw, shape: Shape) -> nn.Module:
    kernel, stride = draw.one_of((2, 2), (3, 2), (3, 1), (2, 1))
    padding = draw.one_of(0, kernel // 2)
    return nn.MaxPool2d(kernel, stride, padding, ceil_mode=draw.chance(0.4))


def _average_pool(draw: Draw, shape: Shape) -> nn.Module:
    kernel, stride = draw.one_of((2, 2), (3, 2), (3, 1), (5, 3))
    return nn.AvgPool2d(
        kernel,
        stride,
        draw.one_of(0, kernel // 2),
        ceil_mode=draw.chance(0.4),
        count_include_pad=draw.chance(0.6),
        divisor_override=draw.one_of(None, None, None, 3),
    )


def _adaptive(draw: Draw, shape: Shape) -> nn.Module:
    kind = draw.one_of(nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
    return kind((draw.divisor(shape[1], least=2), draw.divisor(shape[2], least=2)))


POOLINGS: dict[str, Maker] = {
    "max pool": _max_pool,
    "average pool": _average_pool,
    "adaptive pool": _adaptive,
    "root mean square pool": lambda *_: nn.LPPool2d(2, 2, 2),
    "pooled by rows": lambda *_: Function("mean over rows", lambda x: x + x.mean(2, keepdim=True)),
    "largest of columns": lambda *_: Function("amax over columns", lambda x: x - x.amax(3, keepdim=True)),
    "space to depth": lambda *_: nn.PixelUnshuffle(2),
    "focus": lambda *_: Function("four phases", _phases),
}


def _phases(x: Tensor) -> Tensor:
    return torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)


class Resized(nn.Module):
    def __init__(
        self, mode: str, size: tuple[int, int] | None, factor: float | None, corners: bool | None
    ) -> None:
        super().__init__()
        self.mode, self.size, self.factor, self.corners = mode, size, factor, corners

    def extra_repr(self) -> str:
        return f"{self.mode}, size={self.size}, scale_factor={self.factor}, align_corners={self.corners}"

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, self.size, self.factor, mode=self.mode, align_corners=self.corners)


def _resized(draw: Draw, shape: Shape) -> nn.Module:
    mode = draw.one_of("nearest", "bilinear", "bilinear", "bicubic", "nearest-exact", "area")
    corners = draw.chance(0.4) if mode in ("bilinear", "bicubic") else None
    size = (draw.one_of(8, 12, 15, 16, 20), draw.one_of(8, 12, 16, 17)) if draw.chance(0.4) else None
    return Resized(mode, size, draw.one_of(2.0, 2.0, 1.5, 0.5) if size is None else None, corners)


def _shuffled(draw: Draw, shape: Shape) -> nn.Module:
    return nn.Sequential(nn.Conv2d(shape[0], 16, 1), nn.PixelShuffle(2))


RESIZINGS: dict[str, Maker] = {
    "resized": _resized,
    "pixel shuffle": _shuffled,
    "upsampled": lambda draw, _: nn.Upsample(scale_factor=2, mode=draw.one_of("nearest", "bilinear")),
    "repeated": lambda *_: Function(
        "repeat_interleave", lambda x: x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    ),
}
