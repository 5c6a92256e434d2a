from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove, rewritten, traced
from reference_weights import fill
from torch import nn

from cloformer.export.passes.fold_input_scale import FoldInputScale


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    rank=st.integers(3, 5),
    groups=st.sampled_from([1, 2, 4]),
    padding=st.sampled_from([0, 1, "same"]),
    stride=st.integers(1, 2),
    bias=st.booleans(),
    uniform=st.booleans(),
    leading=st.booleans(),
)
def test_law(
    rank: int, groups: int, padding: int | str, stride: int, bias: bool, uniform: bool, leading: bool
) -> None:
    """Padding stays zero, whatever the factor."""
    stride = 1 if padding == "same" else stride
    kind = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[rank]
    column = [1, 1 if uniform else 4, *[1] * (rank - 2)]
    model = Lambda(
        lambda m, x: m.conv(x * m.factor),
        conv=kind(4, 8, 3, stride, padding, groups=groups, bias=bias),
        factor=torch.ones(column if leading else column[1:]),
    )
    assert "mul" not in prove(fill(model), FoldInputScale(), [2, 4, *[5] * (rank - 2)], sites=1)


@pytest.mark.parametrize("shape", [(3, 6), (2, 5, 6), (2, 3, 5, 6)])
def test_before_a_linear_layer(shape: tuple[int, ...]) -> None:
    model = Lambda(lambda m, x: m.linear(x * m.factor), linear=nn.Linear(6, 4), factor=torch.ones(6))
    assert "mul" not in prove(fill(model), FoldInputScale(), shape, sites=1)


def _model(law: Callable[..., object]) -> nn.Module:
    parts = {
        "conv": nn.Conv2d(4, 8, 3, padding=1),
        "other": nn.Conv2d(4, 2, 1),
        "square": nn.Conv2d(4, 4, 1),
        "linear": nn.Linear(6, 3),
        "transposed": nn.ConvTranspose2d(4, 4, 1),
        "column": torch.ones(1, 4, 1, 1),
        "per_row": torch.ones(5, 1),
        "per_sample": torch.ones(2, 1, 1, 1),
        "per_value": torch.ones(4, 5, 6),
        "taller": torch.ones(2, 1, 1, 1, 1),
    }
    return fill(Lambda(law, **parts))


@pytest.mark.parametrize(
    ("law", "sites"),
    [
        (lambda m, x: (m.conv(y := x * m.column), m.other(y)), 1),
        (lambda m, x: m.conv(m.square(x * m.column) * m.column), 2),
        (lambda m, x: (m.square(x * m.column), m.square(x)), 1),
        (lambda m, x: (m.square(x * m.column), m.square(x * m.column)), 2),
    ],
    ids=["two readers", "two layers", "a layer that also reads without", "a layer twice"],
)
def test_readers(law, sites: int) -> None:
    assert "mul" not in prove(_model(law), FoldInputScale(), (2, 4, 5, 6), sites=sites)


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "also added": lambda m, x: (m.conv(y := x * m.column), y + 1),
    "also returned": lambda m, x: (m.conv(y := x * m.column), y),
    "only returned": lambda m, x: x * m.column,
    "other axis": lambda m, x: m.linear(x * m.column),
    "one reader along another axis": lambda m, x: (m.conv(y := x * m.column), m.linear(y)),
    "per row": lambda m, x: m.conv(x * m.per_row),
    "per sample": lambda m, x: m.conv(x * m.per_sample),
    "per value": lambda m, x: m.conv(x * m.per_value),
    "broadcasts": lambda m, x: m.conv(x[:, :1] * m.column),
    "computed factor": lambda m, x: m.conv(x * torch.tanh(m.column)),
    "computed weights": lambda m, x: F.conv2d(x * m.column, torch.tanh(m.other.weight)),
    "transposed convolution": lambda m, x: m.transposed(x * m.column),
    "its own weights": lambda m, x: F.linear(y := (x * m.column)[0, 0], y),
    "something between": lambda m, x: m.conv(torch.relu(x * m.column)),
}  # fmt: skip


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    prove(_model(_LEFT_ALONE[name]), FoldInputScale(), (2, 4, 5, 6), sites=0)


def test_integers_that_the_factor_makes_numbers_are_left_alone() -> None:
    """Without the product the layer would read integers."""
    prove(_model(lambda m, x: m.conv((x > 0).long() * m.column)), FoldInputScale(), (2, 4, 5, 6), sites=0)


def test_a_tensor_without_a_batch_is_left_alone() -> None:
    model = Lambda(lambda m, x: m.conv(x * m.row), conv=nn.Conv2d(4, 3, 1), row=torch.ones(5, 1))
    prove(fill(model), FoldInputScale(), (4, 5, 6), sites=0)


def test_a_linear_layer_with_a_vector_as_weight_is_left_alone() -> None:
    law = lambda m, x: F.linear(x * m.factor, m.vector)  # noqa: E731
    prove(fill(Lambda(law, vector=torch.ones(4), factor=torch.ones(4))), FoldInputScale(), (3, 4), sites=0)


def test_by_the_numbers() -> None:
    """1 / (255 std) is folded in float64: the weights are the exact quotient, rounded once."""
    model = fill(
        Lambda(lambda m, x: m.conv(x * m.column), conv=nn.Conv2d(3, 2, 1), column=torch.ones(3, 1, 1))
    )
    weight, column = model.conv.weight.double(), model.column.double()
    after, _ = rewritten(traced(model, (1, 3, 2, 2)), FoldInputScale())
    (folded,) = [value for value in after.graph_module.state_dict().values() if value.ndim == 4]
    assert torch.equal(folded, (weight * column).float())
