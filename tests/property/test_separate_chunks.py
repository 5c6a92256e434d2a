from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.separate_chunks import SeparateChunks


def _chunked(count: int, *layers: nn.Module, dim: int = 1) -> nn.Module:
    def law(m: Lambda, x: Tensor) -> Tensor:
        first, *others = m.layers(x).chunk(count, dim)
        for index, other in enumerate(others):
            first = torch.tanh(first) * other + index
        return first

    return fill(Lambda(law, layers=nn.Sequential(*layers)))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    rank=st.integers(3, 5),
    count=st.sampled_from([2, 3]),
    groups=st.sampled_from([1, 6]),
    depthwise=st.integers(0, 2),
    multiplier=st.sampled_from([1, 2]),
    padding=st.sampled_from([0, 1, "same"]),
    bias=st.booleans(),
)
def test_law(
    rank: int, count: int, groups: int, depthwise: int, multiplier: int, padding: int | str, bias: bool
) -> None:
    """A convolution, then up to two depthwise ones: each chunk has a chain of its own, and no chunk is left."""
    kind = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[rank]
    layers = [kind(6, 12, 1, groups=groups, bias=bias)]
    for index in range(depthwise):
        width = 12 * multiplier**index
        layers.append(kind(width, width * multiplier, 3, 1, padding, groups=width, bias=bias))
    found = prove(_chunked(count, *layers), SeparateChunks(), [2, 6, *[6] * (rank - 2)], sites=1)
    # A first layer with groups takes its share of the input, which nothing has taken apart.
    assert found.count("chunk") == (count if groups > 1 else 0)
    assert sum(name.startswith("conv") for name in found) == count * len(layers)


@pytest.mark.parametrize("dim", [1, -3])
def test_stride_dilation_and_groups(dim: int) -> None:
    layers = nn.Conv2d(4, 12, 3, 2, (1, 2), 2, groups=2), nn.Conv2d(12, 8, (1, 3), groups=4)
    prove(_chunked(2, *layers, dim=dim), SeparateChunks(), (2, 4, 9, 11), sites=1)


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: m.conv(x).chunk(2, 1)[1] * 2,
        lambda m, x: m.conv(x).chunk(2, 1),
        lambda m, x: (c := m.conv(x).chunk(2, 1))[0] * c[0] + c[-2],
        lambda m, x: m.conv(x).chunk(1, 1)[0] * 2,
        lambda m, x: m.conv(x).chunk(4, 1)[2] * 2,
    ],
    ids=["one of them", "returned", "one twice", "one in all", "single channels"],
)
def test_forms(law) -> None:
    found = prove(fill(Lambda(law, conv=nn.Conv2d(3, 4, 3, 2, 1))), SeparateChunks(), (2, 3, 6, 5), sites=1)
    assert "chunk" not in found


def test_layers_that_are_shared() -> None:
    law = lambda m, x: torch.add(*m.conv(torch.mul(*m.conv(x).chunk(2, 1)).repeat(1, 2, 1, 1)).chunk(2, 1))  # noqa: E731
    prove(fill(Lambda(law, conv=nn.Conv2d(4, 4, 3, padding=1))), SeparateChunks(), (2, 4, 5, 5), sites=2)


def test_chunks_of_chunks() -> None:
    law = lambda m, x: torch.mul(*m.conv(x).chunk(2, 1)[0].chunk(2, 1))  # noqa: E731
    prove(fill(Lambda(law, conv=nn.Conv2d(3, 8, 1))), SeparateChunks(), (2, 3, 5, 5), sites=2)


def test_a_grouped_layer_whose_input_is_read_twice() -> None:
    def law(m: Lambda, x: Tensor) -> Tensor:
        y = m.a(x)
        q, k = m.b(y).chunk(2, 1)
        return q * k + y.sum()

    model = fill(Lambda(law, a=nn.Conv2d(3, 8, 1), b=nn.Conv2d(8, 8, 3, padding=1, groups=4)))
    assert prove(model, SeparateChunks(), (2, 3, 6, 5), sites=1).count("chunk") == 2


def test_a_grouped_layer_after_a_layer_along_another_axis() -> None:
    """The linear layer works along the width: its output has no share of channels to compute alone."""
    found = prove(
        _chunked(2, nn.Linear(6, 8), nn.Conv2d(4, 4, 3, groups=4)), SeparateChunks(), (2, 4, 5, 6), sites=1
    )
    assert (found.count("linear"), found.count("conv2d"), found.count("chunk")) == (1, 2, 2)


def test_a_grouped_layer_after_one_whose_groups_do_not_fit() -> None:
    layers = nn.Conv2d(3, 12, 1, groups=3), nn.Conv2d(12, 12, 3, groups=12)
    found = prove(_chunked(2, *layers), SeparateChunks(), (2, 3, 6, 5), sites=1)
    assert (found.count("conv2d"), found.count("chunk")) == (3, 2)


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "cuts a group": lambda m, x: torch.mul(*m.grouped(x).chunk(2, 1)),
    "unequal": lambda m, x: math.prod(y.sum(1) for y in m.conv(x).chunk(5, 1)),
    "along another axis": lambda m, x: torch.mul(*m.conv(x).chunk(2, 2)),
    "linear": lambda m, x: torch.mul(*m.linear(x).chunk(2, -1)),
    "along the batch": lambda m, x: torch.mul(*m.conv(x).chunk(2, 0)),
    "a linear layer's other axis": lambda m, x: torch.mul(*m.linear(x)[:, :2].chunk(2, 1)),
    "whole read too": lambda m, x: torch.mul(*(y := m.conv(x)).chunk(2, 1)).sum() + y,
    "whole returned too": lambda m, x: (*(y := m.conv(x)).chunk(2, 1), y),
    "chunked twice": lambda m, x: torch.mul(*(y := m.conv(x)).chunk(2, 1)).sum() + y.chunk(3, 1)[1],
    "an activation between": lambda m, x: torch.mul(*torch.relu(m.conv(x)).chunk(2, 1)),
    "computed weights": lambda m, x: torch.mul(*F.conv2d(x, torch.tanh(m.conv.weight)).chunk(2, 1)),
    "transposed convolution": lambda m, x: torch.mul(*m.transposed(x).chunk(2, 1)),
    "no layer": lambda m, x: torch.mul(*x.chunk(2, 2)),
}


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    parts = {
        "conv": nn.Conv2d(3, 12, 1),
        "grouped": nn.Conv2d(3, 6, 1, groups=3),
        "transposed": nn.ConvTranspose2d(3, 6, 1),
        "linear": nn.Linear(4, 4),
    }
    prove(fill(Lambda(_LEFT_ALONE[name], **parts)), SeparateChunks(), (2, 3, 6, 4), sites=0)


@pytest.mark.parametrize("bias", [torch.tensor(0.3), torch.ones(5, 4)], ids=["number", "matrix"])
def test_a_linear_layer_with_a_bias_that_broadcasts_is_left_alone(bias: Tensor) -> None:
    law = lambda m, x: torch.mul(*F.linear(x, m.matrix, m.bias).chunk(2, 1))  # noqa: E731
    prove(fill(Lambda(law, matrix=torch.ones(4, 3), bias=bias)), SeparateChunks(), (5, 3), sites=0)


def test_a_linear_layer_with_a_vector_as_weight_is_left_alone() -> None:
    law = lambda m, x: torch.mul(*F.linear(x, m.vector).chunk(2, 1))  # noqa: E731
    prove(fill(Lambda(law, vector=torch.ones(4))), SeparateChunks(), (3, 4, 4), sites=0)
