"""Constant factors: after a layer (FoldConstantScale) and before it (FoldInputScale)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import prove
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes import FoldConstantScale, FoldInputScale


class After(nn.Module):
    def __init__(self, layer: nn.Module, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.then = layer, then
        self.register_buffer("per_channel", torch.rand(4, 1, 1) + 0.5)
        self.register_buffer("per_row", torch.rand(5, 1) + 0.5)
        self.register_buffer("number", torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self, self.layer(x))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    factor=st.floats(-3, 3).filter(lambda v: abs(v) > 1e-3),
    bias=st.booleans(),
    groups=st.sampled_from([1, 2, 4]),
)
def test_one_number_through_moves_and_averages(factor: float, bias: bool, groups: int) -> None:
    def then(_: nn.Module, y: Tensor) -> Tensor:
        return torch.tanh(F.avg_pool2d(y, 2).reshape(y.shape[0], 2, 2, -1).transpose(-1, -2) * factor)

    layer = nn.Conv2d(4, 4, 3, padding=1, groups=groups, bias=bias)
    found = prove(fill(After(layer, then)), FoldConstantScale(), (2, 4, 6, 6), sites=1)
    assert "mul" not in found


@pytest.mark.parametrize(
    "then",
    [
        lambda _, y: y / 4.0,
        lambda _, y: 0.5 * y,
        lambda m, y: y * m.number,
        lambda m, y: y * m.per_channel,
        lambda m, y: m.per_channel * y,
    ],
    ids=["division", "number first", "0-d constant", "per channel", "constant first"],
)
def test_forms(then: Callable[..., Tensor]) -> None:
    prove(fill(After(nn.Conv2d(4, 4, 1), then)), FoldConstantScale(), (2, 4, 5, 5), sites=1)


@pytest.mark.parametrize(
    "then",
    [
        lambda m, y: y * m.per_row,
        lambda _, y: (y * 2) + y,
        lambda _, y: y / 0.0 if False else y * y,
        lambda m, y: torch.tanh(y) * 2,
        lambda m, y: (y + 1) * 2,
        lambda m, y: y.sum(1, keepdim=True) * m.per_channel,
        lambda m, y: 2 / y,
    ],
    ids=["per row", "read twice", "square", "after tanh", "after a sum", "broadcasts", "reciprocal"],
)
def test_left_alone(then: Callable[..., Tensor]) -> None:
    prove(fill(After(nn.Conv2d(4, 4, 1), then)), FoldConstantScale(), (2, 4, 5, 5), sites=0)


def test_through_a_matrix_product() -> None:
    """softmax((q k') / sqrt d): the scale goes into q's layer."""

    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k = nn.Linear(6, 4), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return ((self.q(x) @ self.k(x).transpose(-1, -2)) / 2.0).softmax(-1)

    assert "div" not in prove(fill(Scores()), FoldConstantScale(), (2, 5, 6), sites=1)


def test_two_scales_in_a_row() -> None:
    prove(
        fill(After(nn.Conv2d(4, 4, 1), lambda _, y: (y * 2) * 3)), FoldConstantScale(), (1, 4, 5, 5), sites=2
    )


def test_a_layer_used_twice_is_scaled_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.conv(x) * 0.5)

    prove(fill(Twice()), FoldConstantScale(), (1, 4, 5, 5), sites=1)


class Before(nn.Module):
    def __init__(self, how: str, groups: int = 1) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(4, 8, 3, padding=1, groups=groups)
        self.other, self.linear = nn.Conv2d(4, 2, 1), nn.Linear(6, 3)
        self.register_buffer("column", torch.rand(1, 4, 1, 1) + 0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y = x * self.column
        if self.how == "two readers":
            return self.conv(y), self.other(y)
        if self.how == "also added":
            return self.conv(y), y + 1
        if self.how == "other axis":
            return (self.linear(y),)
        return (self.conv(y),)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_before_a_padded_convolution(groups: int) -> None:
    found = prove(fill(Before("", groups)), FoldInputScale(), (2, 4, 5, 5), sites=1)
    assert "mul" not in found


def test_before_two_readers() -> None:
    assert "mul" not in prove(fill(Before("two readers")), FoldInputScale(), (2, 4, 5, 5), sites=1)


@pytest.mark.parametrize("how", ["also added", "other axis"])
def test_before_left_alone(how: str) -> None:
    prove(fill(Before(how)), FoldInputScale(), (2, 4, 5, 6), sites=0)
