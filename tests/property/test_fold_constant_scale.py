from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, in_float64, prove, random_inputs, rewritten, traced
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.fold_constant_scale import FoldConstantScale

_FACTORS = st.floats(-3, 3).filter(lambda factor: abs(factor) > 1e-3)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(factor=_FACTORS, bias=st.booleans(), groups=st.sampled_from([1, 2, 4]), divides=st.booleans())
def test_one_number_through_moves_and_averages(factor: float, bias: bool, groups: int, divides: bool) -> None:
    def law(m: Lambda, x: Tensor) -> Tensor:
        y = F.avg_pool2d(m.layer(x), 2, 2, 1).reshape(x.shape[0], 2, 2, -1).transpose(-1, -2)
        return torch.tanh(y / factor if divides else y * factor)

    layer = nn.Conv2d(4, 4, 3, padding=1, groups=groups, bias=bias)
    found = prove(fill(Lambda(law, layer=layer)), FoldConstantScale(), (2, 4, 6, 7), sites=1)
    assert not {"mul", "div"} & set(found)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    rank=st.integers(2, 5),
    linear=st.booleans(),
    bias=st.booleans(),
    leading=st.booleans(),
    divides=st.booleans(),
)
def test_one_number_per_channel(rank: int, linear: bool, bias: bool, leading: bool, divides: bool) -> None:
    linear = linear or rank == 2
    layer: nn.Module = nn.Linear(4, 6, bias)
    if not linear:
        layer = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[rank](4, 6, 3, 2, 1, groups=2, bias=bias)
    shape = [2, 4, *[5] * (rank - 2)]
    column = [1] * rank
    if linear:
        shape[-1] = 4
    column[-1 if linear else 1] = 6
    factor = torch.ones(column if leading else column[1:])
    law = lambda m, x: m.layer(x) / m.factor if divides else m.layer(x) * m.factor  # noqa: E731
    model = fill(Lambda(law, layer=layer, factor=factor))
    found = prove(model, FoldConstantScale(), shape, sites=1)
    assert not {"mul", "div"} & set(found)


def _model(law: Callable[..., object]) -> nn.Module:
    """Layers and constants for (2, 4, 5, 5), which after ``conv`` has four channels of five rows."""
    parts = {
        "conv": nn.Conv2d(4, 4, 1),
        "linear": nn.Linear(5, 5),
        "transposed": nn.ConvTranspose2d(4, 4, 1, groups=2),
        "per_channel": torch.ones(4, 1, 1),
        "per_sample_and_channel": torch.ones(2, 4, 1, 1),
        "per_row": torch.ones(5, 1),
        "per_value": torch.ones(4, 5, 5),
        "number": torch.ones(()),
        "of_both": torch.ones(8, 1, 1),
        "of_channels": torch.ones(4),
        "per_column": torch.ones(5, 1, 1),
        "one": torch.ones(1, 1, 1, 1),
        "five_axes": torch.ones(1, 1, 1, 1, 1),
    }
    model = fill(Lambda(law, **parts))
    model.register_buffer("integers", torch.tensor([1, 2, 3, 4]).reshape(4, 1, 1))
    model.register_buffer("zero_for_one", torch.tensor([1.0, 0.0, 2.0, 3.0]).reshape(4, 1, 1))
    model.register_buffer("zero", torch.zeros(()))
    return model


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: m.conv(x) / 4,
        lambda m, x: 0.5 * m.conv(x),
        lambda m, x: m.conv(x) * -2,
        lambda m, x: m.conv(x) * 0.0,
        lambda m, x: m.conv(x) * m.number,
        lambda m, x: m.conv(x) * m.zero,
        lambda m, x: m.conv(x) * m.one,
        lambda m, x: m.conv(x) * m.per_channel,
        lambda m, x: m.per_channel * m.conv(x),
        lambda m, x: m.conv(x).mul_(0.3),
        lambda m, x: m.conv(x).div_(m.per_channel),
        lambda m, x: torch.relu(m.conv(x).flatten(2).unsqueeze(1).permute(0, 2, 1, 3) * m.number),
        lambda m, x: F.adaptive_avg_pool2d(m.conv(x), 1).flatten(1) * 0.1,
        lambda m, x: m.linear(m.conv(x)).transpose(1, 3) * 0.1,
        lambda m, x: m.conv(x).transpose(0, 1).transpose(0, 1) * m.per_channel,
        lambda m, x: (m.conv(x).flatten(2).transpose(1, 2) * m.of_channels).sum(1),
        lambda m, x: (c := m.conv(x).chunk(2, 1))[0] - c[1].flatten(2).reshape(2, 2, 5, 5) / 0.3,
        lambda m, x: torch.matmul((c := m.linear(x).chunk(5, -1))[-1] * 3, c[0].transpose(2, 3)),
        lambda m, x: m.transposed(x) * 2,
        lambda m, x: m.transposed(x) * m.per_channel,
        lambda m, x: (m.conv(x) - m.transposed(x)) / m.per_channel,
        lambda m, x: (m.conv(x) + m.linear(x)).flatten(2) * 0.3,
        lambda m, x: torch.cat([m.transposed(x), m.conv(x)], 1) * m.of_both,
        lambda m, x: torch.cat([m.linear(x), m.conv(x)], 2).transpose(1, 2) * 0.3,
    ],
)
def test_forms(law) -> None:
    assert not {"mul", "div"} & set(prove(_model(law), FoldConstantScale(), (2, 4, 5, 5), sites=1))


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: (m.conv(x) * 2) * 3,
        lambda m, x: m.conv(m.conv(x) * 0.5) * 0.5,
        lambda m, x: m.conv(x) * m.per_channel + m.conv(x) * m.per_channel,
        lambda m, x: m.linear(x) * m.number - m.conv(x) * m.number,
    ],
    ids=["in a row", "one layer twice in a row", "one layer twice side by side", "one constant, two layers"],
)
def test_shared_weights_are_folded_apart(law) -> None:
    prove(_model(law), FoldConstantScale(), (2, 4, 5, 5), sites=2)


def test_one_shared_layer_is_also_read_without_a_scale() -> None:
    model = _model(lambda m, x: torch.tanh(m.conv(x) * m.per_channel) + m.conv(x))
    prove(model, FoldConstantScale(), (2, 4, 5, 5), sites=1)


def test_through_a_matrix_product() -> None:
    """softmax((q k') / sqrt d): the scale goes into q's layer."""
    law = lambda m, x: ((m.q(x) @ m.k(x).transpose(-1, -2)) / 2.0).softmax(-1)  # noqa: E731
    model = fill(Lambda(law, q=nn.Linear(6, 4), k=nn.Linear(6, 4)))
    assert "div" not in prove(model, FoldConstantScale(), (2, 5, 6), sites=1)


def test_through_a_matrix_product_to_its_second_operand() -> None:
    law = lambda m, x: torch.bmm(torch.relu(x), m.k(x).transpose(-1, -2)) * 0.3  # noqa: E731
    model = fill(Lambda(law, k=nn.Linear(6, 6)))
    assert "mul" not in prove(model, FoldConstantScale(), (2, 5, 6), sites=1)


def _used_again_on_the_way(m: Lambda, x: Tensor) -> Tensor:
    y = m.conv(x).flatten(2)
    return (y * 2).sum(-1) + y.amax(-1)


def _product_with_itself(m: Lambda, x: Tensor) -> Tensor:
    y = m.linear(x)
    return torch.matmul(y, y) * 0.5


def _moved_product_with_itself(m: Lambda, x: Tensor) -> Tensor:
    y = m.linear(x).transpose(-1, -2)
    return torch.matmul(y, y) * 0.5


def _product_with_its_transpose(m: Lambda, x: Tensor) -> Tensor:
    y = m.linear(x)
    return torch.matmul(y, y.transpose(-1, -2)) * 0.5


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "per row": lambda m, x: m.conv(x) * m.per_row,
    "per sample and channel": lambda m, x: m.conv(x) * m.per_sample_and_channel,
    "per value": lambda m, x: m.conv(x) * m.per_value,
    "per channel of something else": lambda m, x: m.linear(x) * m.per_channel,
    "per channel, moved away": lambda m, x: m.conv(x).transpose(1, 2) * m.per_column,
    "read twice": lambda m, x: ((y := m.conv(x)) * 2) + y,
    "returned": lambda m, x: ((y := m.conv(x)) * 2, y),
    "read on the way": _used_again_on_the_way,
    "square": lambda m, x: (y := m.conv(x)) * y,
    "product with itself": _product_with_itself,
    "moved product with itself": _moved_product_with_itself,
    "product with its transpose": _product_with_its_transpose,
    "after tanh": lambda m, x: torch.tanh(m.conv(x)) * 2,
    "after a sum": lambda m, x: (m.conv(x) + 1) * 2,
    "after the largest": lambda m, x: F.max_pool2d(m.conv(x), 2) * 2,
    "broadcasts": lambda m, x: m.conv(x).sum(1, keepdim=True) * m.per_channel,
    "adds an axis": lambda m, x: m.conv(x) * m.five_axes,
    "reciprocal": lambda m, x: 2 / m.conv(x),
    "constant over": lambda m, x: m.number / m.conv(x),
    "division by nothing": lambda m, x: m.conv(x) / 0.0,
    "division by a zero": lambda m, x: m.conv(x) / m.zero,
    "division by one zero": lambda m, x: m.conv(x) / m.zero_for_one,
    "rounded division": lambda m, x: torch.div(m.conv(x), 2.0, rounding_mode="floor"),
    "integers": lambda m, x: m.conv(x) * m.integers,
    "computed factor": lambda m, x: m.conv(x) * torch.tanh(m.per_channel),
    "computed weights": lambda m, x: F.conv2d(x, torch.tanh(m.conv.weight)) * 2,
    "a chunk read twice": lambda m, x: (c := m.conv(x).chunk(2, 1))[0] * 2 + c[-2],
    "a chunk of rows": lambda m, x: m.conv(x).chunk(5, 2)[0] * 2,
    "unequal chunks": lambda m, x: (c := m.linear(x).chunk(2, 3))[0].sum(3) * 2 - c[1].sum(3),
    "unequal chunks, the first": lambda m, x: m.linear(x).chunk(2, 3)[0] * 2,
    "chunks beside the whole": lambda m, x: ((y := m.conv(x)).chunk(2, 1)[0] * 2, y),
    "beside the input": lambda m, x: (m.conv(x) + x) * 2,
    "concatenated with the input": lambda m, x: torch.cat([m.conv(x), x], 1) * m.of_both,
    "one layer twice": lambda m, x: ((y := m.conv(x)) + y) * 2,
    "concatenated twice": lambda m, x: torch.cat([y := m.conv(x), y], 1) * m.of_both,
    "along two axes": lambda m, x: (m.conv(x) + m.linear(x)) * m.per_channel,
    "part of it returned": lambda m, x: ((m.conv(x) + (y := m.linear(x))) * 2, y),
    "no layer": lambda m, x: x * 2,
    "no layer, moved": lambda m, x: x.flatten(1) * 2,
}  # fmt: skip


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    model = _model(_LEFT_ALONE[name])
    if "zero" not in name and "nothing" not in name:
        prove(model, FoldConstantScale(), (2, 4, 5, 5), sites=0)
        return
    after, applied = rewritten(traced(model, (2, 4, 5, 5)), FoldConstantScale(), cast=False)
    assert not applied[0].sites
    (x,) = random_inputs([(2, 4, 5, 5)])
    assert torch.equal(in_float64(after.graph_module)(x)[0].isinf(), model.double()(x).isinf())


def test_a_layer_without_a_batch_is_left_alone_by_a_factor_of_its_second_axis() -> None:
    """The convolution of (C, H, W) has its channels first; a column over H is no channel's."""
    model = Lambda(lambda m, x: m.conv(x) * m.column, conv=nn.Conv2d(4, 5, 1), column=torch.ones(5, 1))
    prove(fill(model), FoldConstantScale(), (4, 5, 6), sites=0)


def test_a_factor_of_a_wider_type_is_left_alone() -> None:
    """It makes the product wider too; the layer alone would not."""
    model = _model(lambda m, x: (m.conv(x) * m.wide).to(x.dtype))
    model.register_buffer("wide", torch.full((4, 1, 1), 0.7, dtype=torch.float64))
    prove(model, FoldConstantScale(), (2, 4, 5, 5), sites=0)


def test_a_linear_layer_with_a_vector_as_weight_is_left_alone() -> None:
    """Its output has no channel axis."""
    law = lambda m, x: F.linear(x, m.vector) * m.factor  # noqa: E731
    prove(
        fill(Lambda(law, vector=torch.ones(4), factor=torch.ones(4))), FoldConstantScale(), (3, 4, 4), sites=0
    )


@pytest.mark.parametrize("bias", [torch.tensor(0.3), torch.ones(5, 3)], ids=["number", "matrix"])
def test_a_linear_layer_with_a_bias_that_broadcasts_is_left_alone(bias: Tensor) -> None:
    law = lambda m, x: F.linear(x, m.matrix, m.bias) * m.factor  # noqa: E731
    model = Lambda(law, matrix=torch.ones(3, 4), bias=bias, factor=torch.ones(3))
    prove(fill(model), FoldConstantScale(), (5, 4), sites=0)
