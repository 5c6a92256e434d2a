from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, operators, prove, rewritten, traced
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.fold_batch_norm import FoldBatchNorm
from cloformer.export.passes.merge_layers import MergeLayers
from cloformer.export.passes.remove_identities import RemoveIdentities

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class Branches(nn.Module):
    """A sum of branches: each a module, whether it is subtracted, and whether it is scaled by channel; ``order`` says which
    neighbours are added up next."""

    def __init__(
        self,
        branches: Sequence[nn.Module],
        signs: Sequence[int],
        scales: Sequence[Tensor | None],
        order: Sequence[int],
    ) -> None:
        super().__init__()
        self.branches, self.signs, self.order = nn.ModuleList(branches), signs, order
        for place, scale in enumerate(scales):
            if scale is None:
                setattr(
                    self, f"scale{place}", None
                )  # a buffer of the model itself that is None stops torch 2.7's export
            else:
                self.register_buffer(f"scale{place}", scale)

    def forward(self, x: Tensor) -> Tensor:
        terms = []
        for place, branch in enumerate(self.branches):
            scale, value = getattr(self, f"scale{place}"), branch(x)
            terms.append((self.signs[place], value if scale is None else scale * value))
        for step in self.order[: len(terms) - 1]:
            place = step % (len(terms) - 1)
            (sign, first), (other, second) = terms[place : place + 2]
            whole = first + second if sign == other else first - second
            terms[place : place + 2] = [(sign, whole)]
        return -terms[0][1] if terms[0][0] < 0 else terms[0][1]


@dataclass(frozen=True)
class Drawn:
    """A sum that one convolution can be, and what it is given."""

    model: nn.Module
    shape: tuple[int, ...]


@st.composite
def _sums(draw: st.DrawFn) -> Drawn:
    axes, stride = draw(st.sampled_from([1, 2, 2, 3])), draw(st.integers(1, 2))
    groups, dilation = draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 2))
    kinds = ["convolution", "convolution", "pointwise", *(["norm", "identity"] if stride == 1 else [])]
    branches: list[nn.Module] = []
    for kind in ["convolution", *draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))]:
        size = 1 if kind == "pointwise" else draw(st.sampled_from([1, 3, 5]))
        layer: nn.Module = _CONVOLUTIONS[axes](
            4, 4, size, stride, dilation * (size // 2), dilation, groups, draw(st.booleans())
        )
        norm = _NORMS[axes](4, affine=draw(st.booleans()))
        if kind in ("norm", "identity"):
            layer = norm if kind == "norm" else nn.Identity()
        branches.append(nn.Sequential(layer, norm) if draw(st.booleans()) else layer)
    count = len(branches)
    signs = draw(st.lists(st.sampled_from([1, 1, -1]), min_size=count, max_size=count))
    scales = [torch.ones(4, *[1] * axes) if draw(st.booleans()) else None for _ in branches]
    order = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    sizes = draw(st.lists(st.integers(3, 6), min_size=axes, max_size=axes))
    return Drawn(fill(Branches(branches, signs, scales, order)), (2, 4, *sizes))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(drawn=_sums())
def test_a_sum_of_branches_is_one_convolution(drawn: Drawn) -> None:
    """Of one input, with any signs and scales, in any order, in one or more dimensions."""
    found = prove(drawn.model, MergeLayers(), drawn.shape, sites=1)
    assert found == [f"conv{len(drawn.shape) - 2}d"]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    axes=st.integers(1, 3),
    kernel=st.integers(1, 3),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([(1, 1), (1, 2), (2, 4), (4, 4), (2, 2)]),
    bias=st.booleans(),
    is_before=st.booleans(),
    size=st.integers(13, 16),
)
def test_a_pointwise_convolution_and_its_neighbour_are_one(
    axes: int,
    kernel: int,
    strides: tuple[int, int],
    padding: int,
    dilation: int,
    groups: tuple[int, int],
    bias: bool,
    is_before: bool,
    size: int,
) -> None:
    """Strided, too, and where the map's borders fall between strides."""
    convolution = _CONVOLUTIONS[axes]
    layers = [
        convolution(4, 4, 1, strides[0], groups=groups[1], bias=bias and (padding == 0 or not is_before)),
        convolution(4, 4, kernel, strides[1], padding, dilation, groups[0]),
    ]
    model = nn.Sequential(*layers if is_before else reversed(layers))
    assert len(prove(fill(model), MergeLayers(), (2, 4, *[size] * axes), sites=1)) == 1


class Block(nn.Module):
    """RepVGG's block while it is trained, or MobileOne's with several kernels: each branch with its batch norm."""

    def __init__(
        self, channels: int, groups: int = 1, stride: int = 1, kernels: Sequence[int] = (3, 1)
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, size, stride, size // 2, groups=groups, bias=False),
                nn.BatchNorm2d(channels),
            )
            for size in kernels
        )
        self.skip = nn.BatchNorm2d(channels) if stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor | int = 0 if self.skip is None else self.skip(x)
        for branch in self.branches:
            out = out + branch(x)
        assert isinstance(out, Tensor)
        return out


class Mixer(nn.Module):
    """FastViT's: what a block and a norm differ by, scaled by channel, beside the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mixer, self.norm = Block(channels, channels), nn.BatchNorm2d(channels)
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gain * (self.mixer(x) - self.norm(x))


class Normalized(nn.Module):
    """RepViT's: a norm behind the sum of a normalized convolution, one without a norm, and the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.inner, self.outer = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.narrow = nn.Conv2d(channels, channels, 1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(self.wide(x)) + self.narrow(x) + x)


class Heads(nn.Module):
    """RepViT's two classifiers, each behind a norm of its own, averaged."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(channels), nn.Dropout(0.1), nn.Linear(channels, classes))
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second = (head(x) for head in self.heads)
        return (first + second) / 2


class Collapsible(nn.Module):
    """Blocks for super-resolution: a wide convolution, narrowed, beside the input; and blocks in blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(channels, 32, 3, padding=1), nn.Conv2d(32, channels, 1)
        self.inner, self.mix = Block(channels), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.narrow(self.wide(x)) + x
        return self.mix(self.inner(x)) - first * 0.5


@pytest.mark.parametrize(
    ("model", "shape", "left"),
    [
        (Block(8), (2, 8, 6, 5), "conv2d"),
        (Block(8, groups=4, stride=2), (2, 8, 6, 5), "conv2d"),
        (Block(8, groups=8, kernels=[3, 3, 3, 3, 1]), (2, 8, 6, 5), "conv2d"),
        (Block(8, groups=8, stride=2, kernels=[7, 3]), (2, 8, 9, 9), "conv2d"),
        (Block(8, kernels=[3, 3, 1, 5]), (1, 8, 5, 5), "conv2d"),
        (Mixer(8), (2, 8, 6, 5), "conv2d"),
        (Normalized(8), (2, 8, 6, 5), "conv2d"),
        (Heads(8, 5), (3, 8), "linear"),
        (Collapsible(8), (1, 8, 6, 5), "conv2d"),
    ],
    ids=[
        "RepVGG", "in groups, strided", "MobileOne", "large kernels", "dense", "FastViT", "RepViT", "heads",
        "collapsible",
    ],
)  # fmt: skip
def test_blocks_that_are_trained_in_branches(model: nn.Module, shape: tuple[int, ...], left: str) -> None:
    passes = [RemoveIdentities(), FoldBatchNorm(), MergeLayers()]
    before = traced(fill(model), shape)
    _, applied = rewritten(before, *passes)
    assert prove(model, passes, shape, sites=sum(len(item.sites) for item in applied)) == [left]


def _model(law: Callable[..., object]) -> nn.Module:
    """Layers and constants for (2, 4, 5, 5)."""
    parts: dict[str, nn.Module | Tensor] = {
        "wide": nn.Conv2d(4, 4, 3, padding=1),
        "other": nn.Conv2d(4, 4, 3, padding=1),
        "unpadded": nn.Conv2d(4, 4, 3),
        "strided": nn.Conv2d(4, 4, 1, 2),
        "dilated": nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        "between": nn.Conv2d(4, 4, 2, padding=1, dilation=2),
        "by_channel": nn.Conv2d(4, 4, 3, padding=1, groups=4),
        "row": nn.Conv2d(4, 4, (1, 3), padding=(0, 1)),
        "column": nn.Conv2d(4, 4, (3, 1), padding=(1, 0)),
        "circular": nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        "one": nn.Conv2d(4, 4, 1),
        "plain": nn.Conv2d(4, 4, 1, bias=False),
        "padded": nn.Conv2d(4, 4, 1, padding=1),
        "narrow": nn.Conv2d(4, 1, 1, bias=False),
        "broad": nn.Conv2d(1, 4, 3, padding=1),
        "linear": nn.Linear(5, 5),
        "norm": nn.BatchNorm2d(4),
        "of_batch": nn.BatchNorm2d(4, track_running_stats=False),
        "per_channel": torch.ones(4, 1, 1),
        "per_row": torch.ones(5, 1),
    }
    return fill(Lambda(law, **parts))


def _computed(m: Lambda, x: Tensor) -> Tensor:
    """A convolution whose weights are computed."""
    return F.conv2d(x, torch.tanh(m.wide.weight), padding=1)


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "other inputs": lambda m, x: m.wide(x) + m.other(x.relu()),
    "other strides": lambda m, x: m.strided(x) + m.unpadded(x),
    "another dilation": lambda m, x: m.wide(x) + m.dilated(x),
    "between the taps": lambda m, x: m.dilated(x) + m.between(x),
    "input between the taps": lambda m, x: m.between(x) + x,
    "row and column": lambda m, x: m.row(x) + m.column(x),
    "dense beside by channel": lambda m, x: m.plain(x) + m.by_channel(x),
    "circular padding": lambda m, x: m.circular(x) + x,
    "layer read twice": lambda m, x: m.one((y := m.wide(x)).relu()) + y,
    "layer returned": lambda m, x: (m.other(x) + (y := m.wide(x)), y),
    "activation": lambda m, x: m.wide(x).relu() + m.other(x),
    "square": lambda m, x: m.wide(x) * m.other(x),
    "statistics of the batch": lambda m, x: m.wide(x) + m.of_batch(x),
    "computed weights": lambda m, x: m.wide(x) + _computed(m, x),
    "computed scale": lambda m, x: m.wide(x) + torch.tanh(m.per_channel) * m.other(x),
    "scale by row": lambda m, x: m.wide(x) + m.per_row * m.other(x),
    "broadcast": lambda m, x: m.wide(x) + m.other(x).mean((2, 3), keepdim=True),
    "linear along another axis": lambda m, x: m.wide(x) + m.linear(x),
    "no layer": lambda m, x: 2 * x + x * m.per_channel,
    "no batch": lambda m, x: m.wide(x[0]) + m.other(x[0]),
    "bias before padding": lambda m, x: m.wide(m.one(x)),
    "shift before padding": lambda m, x: m.wide(m.per_channel * x + 1),
    "scale by row before": lambda m, x: m.wide(m.per_row * x),
    "norm before padding": lambda m, x: m.wide(m.norm(x)),
    "neither is pointwise": lambda m, x: m.other(m.unpadded(x)),
    "padded pointwise": lambda m, x: m.unpadded(m.padded(x)),
    "pointwise read twice": lambda m, x: (m.wide(y := m.plain(x)), y),
    "activation before": lambda m, x: m.wide(m.plain(x).relu()),
    "through one channel": lambda m, x: m.broad(m.narrow(x)),
    "dense after by channel": lambda m, x: m.one(m.by_channel(x)),
    "computed pointwise": lambda m, x: m.wide(F.conv2d(x, torch.tanh(m.plain.weight))),
    "norm before a linear layer of maps": lambda m, x: m.linear(m.norm(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    prove(_model(_LEFT_ALONE[name]), MergeLayers(), (2, 4, 5, 5), sites=0)


@pytest.mark.parametrize(
    ("law", "left"),
    [
        (lambda m, x: m.wide(m.plain(x)), ["conv2d"]),
        (lambda m, x: m.unpadded(m.norm(x)), ["conv2d"]),
        (lambda m, x: m.unpadded(m.per_channel * x / 3 - 1), ["conv2d"]),
        (lambda m, x: m.by_channel(-(x * m.per_channel)), ["conv2d"]),
        (lambda m, x: m.row(x) + m.column(x) + m.wide(x), ["conv2d"]),
        (lambda m, x: m.wide(x) + m.one(x).relu() + m.other(x), ["conv2d", "relu", "conv2d", "add"]),
        (lambda m, x: m.norm(x) + x, ["conv2d"]),
        (lambda m, x: x.relu() - (m.wide(x) + x), ["relu", "conv2d", "add"]),
        (lambda m, x: m.wide(x) + 2 - m.per_channel, ["conv2d", "add", "sub"]),
        (lambda m, x: m.linear(x) + x, ["linear"]),
        (lambda m, x: m.linear(m.linear(x)), ["linear"]),
        (lambda m, x: torch.add(m.wide(x), m.other(x), alpha=0.3).neg(), ["conv2d"]),
        (lambda m, x: (y := m.wide(x)) + y, ["conv2d"]),
        (lambda m, x: torch.tanh((m.wide(x) + m.other(x)) / 0.0), ["conv2d", "div", "tanh"]),
    ],
    ids=[
        "no bias before padding", "norm before no padding", "scale and shift", "scale before padding", "cross",
        "between other terms", "norm beside its input", "subtracted", "constants alone", "linear", "linear layers",
        "alpha", "twice", "divided by nothing",
    ],
)  # fmt: skip
def test_forms(law, left: list[str]) -> None:
    model, shape = _model(law), (2, 4, 5, 5)
    after, applied = rewritten(traced(model, shape), MergeLayers())
    assert operators(after) == left
    prove(model, MergeLayers(), shape, sites=len(applied[0].sites))
