"""What networks are built of: gates, residual connections, and ways of moving numbers about."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .draw import Draw, Function, Maker, Shape
from .layers import ACTIVATIONS, CONVOLUTIONS, NORMALIZATIONS, ChannelsLast

__all__ = ["GATES", "MOVES", "RESIDUALS"]


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, gate: nn.Module, linear: bool) -> None:
        super().__init__()
        self.one = nn.Linear(channels, 4) if linear else nn.Conv2d(channels, 4, 1)
        self.two = nn.Linear(4, channels) if linear else nn.Conv2d(4, channels, 1)
        self.gate, self.linear = gate, linear

    def forward(self, x: Tensor) -> Tensor:
        found = x.mean((2, 3)) if self.linear else F.adaptive_avg_pool2d(x, 1)
        found = self.gate(self.two(F.relu(self.one(found))))
        return x * (found[:, :, None, None] if self.linear else found)


class Efficient(nn.Module):
    """ECA: a convolution over the channels' means."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found = self.convolution(x.mean((2, 3)).unsqueeze(1)).sigmoid()
        return x * found.transpose(1, 2).unsqueeze(-1)


class Spatial(nn.Module):
    """CBAM's gate by place."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        found = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True).values], 1)
        return x * self.convolution(found).sigmoid()


class GatedUnit(nn.Module):
    """A linear unit of tokens, gated by another."""

    def __init__(self, channels: int, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.wide, self.out, self.function = (
            nn.Linear(channels, 4 * channels),
            nn.Linear(2 * channels, channels),
            function,
        )

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.wide(x).chunk(2, -1)
        return self.out(value * self.function(gate))


class TwoWays(nn.Module):
    """A convolution, and tanh of another: CloFormer's gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.two = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.SiLU(), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        found = self.one(x)
        return found * torch.tanh(self.two(found) * 0.5)


GATES: dict[str, Maker] = {
    "squeeze and excitation": lambda draw, shape: Squeeze(
        shape[0], draw.one_of(nn.Sigmoid(), nn.Hardsigmoid()), draw.chance(0.4)
    ),
    "efficient channel attention": lambda *_: Efficient(),
    "spatial attention": lambda *_: Spatial(),
    "gated unit": lambda draw, shape: ChannelsLast(
        GatedUnit(shape[0], draw.one_of(F.silu, F.gelu, torch.sigmoid))
    ),
    "gated linear unit": lambda *_: nn.GLU(1),
    "two ways": lambda draw, shape: TwoWays(shape[0]),
}


class Residual(nn.Module):
    """``join`` says how a branch of the same shape comes back to what it branched off."""

    def __init__(self, branch: nn.Module, join: str, channels: int) -> None:
        super().__init__()
        self.branch, self.join = branch, join
        self.gamma = nn.Parameter(torch.ones(channels, 1, 1))

    def extra_repr(self) -> str:
        return self.join

    def forward(self, x: Tensor) -> Tensor:
        found = self.branch(x)
        if self.join == "scaled":
            return x + self.gamma * found
        if self.join == "concatenated":
            return torch.cat([x, found], 1)
        if self.join == "stacked":
            return torch.stack([x, found], 1).amax(1)
        if self.join == "weighted":
            return torch.add(x, found, alpha=0.3)
        if self.join == "subtracted":
            return torch.sub(x, found, alpha=0.5)
        if self.join == "larger":
            return torch.maximum(x, found)
        if self.join == "chosen":
            return torch.where(found > 0, x, 0.2 * found)
        if self.join == "blended":
            return torch.lerp(x, found, 0.3)
        if self.join == "in place":
            found += x
            return F.relu_(found)
        return x + found


JOINS = (
    "added", "added", "scaled", "concatenated", "stacked", "weighted", "subtracted", "larger", "chosen", "blended", "in place",
)  # fmt: skip


def _residual(draw: Draw, shape: Shape) -> nn.Module:
    channels, wide = shape[0], shape[0] * draw.one_of(1, 2)
    norm = NORMALIZATIONS[draw.one_of("batch norm", "batch norm", "group norm", "layer norm of channels")]
    kernel, groups = draw.one_of(3, 5), draw.one_of(1, wide)
    layers = [
        nn.Conv2d(channels, wide, 1, bias=False),
        norm(draw, (wide, *shape[1:])),
        ACTIVATIONS[draw.one_of("relu", "silu", "gelu", "hardswish", "prelu")](draw, (wide, *shape[1:])),
        nn.Conv2d(
            wide,
            channels,
            kernel,
            padding=kernel // 2,
            groups=groups if groups == 1 else draw.divisor(channels),
        ),
        norm(draw, shape),
    ]
    return Residual(nn.Sequential(*layers), draw.one_of(*JOINS), channels)


def _dense(draw: Draw, shape: Shape) -> nn.Module:
    make = CONVOLUTIONS[draw.one_of("dilated", "grouped", "separable")]
    return nn.Sequential(nn.BatchNorm2d(shape[0]), nn.ReLU(), make(draw, shape))


def _hourglass(draw: Draw, shape: Shape) -> nn.Module:
    return Residual(
        nn.Sequential(
            nn.Conv2d(shape[0], shape[0], 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(shape[0], shape[0], 3, padding=1),
            nn.Upsample(size=shape[1:], mode=draw.one_of("nearest", "bilinear")),
        ),
        draw.one_of(*JOINS),
        shape[0],
    )


RESIDUALS: dict[str, Maker] = {"residual": _residual, "dense": _dense, "hourglass": _hourglass}


def _channel_shuffle(x: Tensor) -> Tensor:
    return x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


def _halves(x: Tensor) -> Tensor:
    first, second = x.chunk(2, 1)
    return torch.cat([second, first * 1.5], 1)


def _unequal(x: Tensor) -> Tensor:
    first, second = x.split([1, x.shape[1] - 1], 1)
    return torch.cat([second.tanh(), first], 1)


def _shifted(x: Tensor) -> Tensor:
    """As in S2-MLP: every part of the channels by a pixel in another direction."""
    parts = x.tensor_split(2, 1)
    return torch.cat([parts[0].roll(1, 2), F.pad(parts[1], (1, 0, 0, 0))[..., :-1]], 1)


def _patches(x: Tensor) -> Tensor:
    return F.unfold(x, 3, padding=1).unflatten(2, x.shape[2:])[:, ::3]


def _neighbours(x: Tensor) -> Tensor:
    return x[:, :, 1:-1, 1:-1] - 0.25 * (
        x[:, :, :-2, 1:-1] + x[:, :, 2:, 1:-1] + x[:, :, 1:-1, :-2] + x[:, :, 1:-1, 2:]
    )


def _centred(x: Tensor) -> Tensor:
    return x - x.mean((1, 2, 3), keepdim=True)


MOVES: dict[str, Maker] = {
    "channel shuffle": lambda *_: Function("channel shuffle", _channel_shuffle),
    "halves": lambda *_: Function("halves", _halves),
    "unequal parts": lambda *_: Function("unequal parts", _unequal),
    "shifted": lambda *_: Function("shifted", _shifted),
    "flipped": lambda draw, _: Function("flip", draw.one_of(lambda x: x.flip(3), lambda x: x.flip((2, 3)))),
    "turned": lambda *_: Function("height and width exchanged", lambda x: x.transpose(2, 3)),
    "cropped": lambda *_: Function("x[..., 1:-1, ::1]", lambda x: x[..., 1:-1, :]),
    "padded": lambda draw, _: Function("pad", _padding(draw)),
    "patches": lambda *_: Function("unfold", _patches),
    "neighbours": lambda *_: Function("neighbours", _neighbours),
    "centred": lambda *_: Function("centred", _centred),
    "running sum": lambda *_: Function("cumsum / 8", lambda x: x.cumsum(3) / 8),
    "largest channels": lambda *_: Function("topk", lambda x: x.topk(3, dim=1).values),
    "sorted": lambda *_: Function("sort", lambda x: x.sort(dim=1).values),
    "chosen channels": lambda *_: Function("index_select", lambda x: x[:, [2, 0, 1, 2]]),
    "masked": lambda *_: Function("masked_fill", lambda x: x.masked_fill(x < -0.2, 0.1)),
    "product of two": lambda *_: Function("x * mean", lambda x: x * x.mean(1, keepdim=True)),
    "einsum": lambda *_: Function("einsum", lambda x: torch.einsum("bchw,bcvw->bchv", x, x) / x.shape[3]),
}


def _padding(draw: Draw) -> Callable[[Tensor], Tensor]:
    mode = draw.one_of("constant", "constant", "reflect", "replicate", "circular")
    sides = tuple(draw.one_of(0, 1, 2) for _ in range(4))
    value = draw.one_of(0.0, 0.3) if mode == "constant" else None
    return lambda x: F.pad(x, sides, mode=mode, value=value)
