from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove, rewritten, traced
from reference_weights import fill
from torch import Tensor, nn

from cloformer.export.passes.split_projection import SplitProjection


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    rank=st.integers(2, 5),
    linear=st.booleans(),
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=2),
    kernel=st.sampled_from([1, 2, 3]),
    padding=st.sampled_from([0, 1, "same"]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    bias=st.booleans(),
)
def test_law(
    rank: int,
    linear: bool,
    widths: list[int],
    kernel: int,
    padding: int | str,
    stride: int,
    dilation: int,
    bias: bool,
) -> None:
    linear = linear or rank == 2
    layer: nn.Module = nn.Linear(sum(widths), 5, bias)
    if not linear:
        kind = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[rank]
        stride = 1 if padding == "same" else stride
        layer = kind(sum(widths), 5, kernel, stride, padding, dilation, bias=bias)
    axis = rank - 1 if linear else 1
    model = Lambda(lambda m, *parts: m.layer(torch.cat(parts, axis)), layer=layer)
    shapes = [[width if dim == axis else 2 if dim == 0 else 6 for dim in range(rank)] for width in widths]
    found = prove(fill(model), SplitProjection(), *shapes, sites=1)
    assert sorted(found) == sorted(["add"] * (len(widths) - 1) + [found[0]] * len(widths))


@pytest.mark.parametrize(
    ("law", "sites"),
    [
        (lambda m, x, y: m.conv(torch.cat([x, x], -3)), 1),
        (lambda m, x, y: m.conv(torch.cat([torch.tanh(y), x * 2], 1)), 1),
        (lambda m, x, y: m.wide(torch.cat([torch.cat([x, y], 1), x], 1)), 1),
        (lambda m, x, y: m.conv(torch.cat([m.conv(torch.cat([x, y], 1)), x], 1)), 2),
        (lambda m, x, y: m.conv(torch.cat([x, y], 1)) * m.conv(torch.cat([y, x], 1)), 2),
        (lambda m, x, y: m.conv(torch.cat([m.constant, x], 1)), 1),
    ],
    ids=[
        "one part twice",
        "parts made here",
        "parts of parts",
        "one layer twice in a row",
        "side by side",
        "constant",
    ],
)
def test_forms(law, sites: int) -> None:
    parts = {"conv": nn.Conv2d(6, 3, 3, padding=1), "wide": nn.Conv2d(9, 3, 1)}
    model = fill(Lambda(law, **parts, constant=torch.ones(2, 3, 6, 6)))
    prove(model, SplitProjection(), (2, 3, 6, 6), (2, 3, 6, 6), sites=sites)


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "groups": lambda m, x, y: m.grouped(torch.cat([x, y], 1)),
    "along another axis": lambda m, x, y: m.single(torch.cat([x, y], 2)),
    "along the batch": lambda m, x, y: m.single(torch.cat([x, y])),
    "a linear layer's other axis": lambda m, x, y: m.linear(torch.cat([x, y], 1)),
    "read twice": lambda m, x, y: m.conv(c := torch.cat([x, y], 1)).sum() + c,
    "read by two layers": lambda m, x, y: m.conv(c := torch.cat([x, y], 1)) * m.conv(c),
    "returned": lambda m, x, y: (m.conv(c := torch.cat([x, y], 1)), c),
    "an activation between": lambda m, x, y: m.conv(torch.relu(torch.cat([x, y], 1))),
    "one part": lambda m, x, y: m.single(torch.cat([x], 1)) * y[:, :1],
    "stacked": lambda m, x, y: m.conv(torch.stack([x, y], 1).flatten(1, 2)),
    "integers among them": lambda m, x, y: m.conv(torch.cat([x, (y > 0).long()], 1)),
    "nothing among them": lambda m, x, y: m.single(torch.cat([x, x[:, :0]], 1)) * y[:, :1],
    "three parts": lambda m, x, y: m.triple(torch.cat([x, y, x * y], 1)),
    "an old-fashioned nothing": lambda m, x, y: m.single(torch.cat([m.nothing, x], 1)) * y[:, :1],
    "computed weights": lambda m, x, y: F.conv2d(torch.cat([x, y], 1), torch.tanh(m.conv.weight)),
    "transposed convolution": lambda m, x, y: m.transposed(torch.cat([x, y], 1)),
    "as weights": lambda m, x, y: F.conv2d(x, torch.cat([x, y], 0)),
}


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    model = Lambda(
        _LEFT_ALONE[name],
        conv=nn.Conv2d(6, 6, 1),
        grouped=nn.Conv2d(6, 6, 1, groups=2),
        single=nn.Conv2d(3, 6, 1),
        triple=nn.Conv2d(9, 6, 1),
        transposed=nn.ConvTranspose2d(6, 6, 1),
        linear=nn.Linear(6, 6),
        nothing=torch.zeros(0),
    )
    prove(fill(model), SplitProjection(), (2, 3, 6, 6), (2, 3, 6, 6), sites=0)


def test_channels_of_what_has_no_batch_are_left_alone() -> None:
    model = Lambda(lambda m, x, y: m.conv(torch.cat([x, y], 1)), conv=nn.Conv2d(4, 3, 1))
    prove(fill(model), SplitProjection(), (4, 2, 5), (4, 2, 5), sites=0)


def test_a_linear_layer_with_a_bias_that_broadcasts_is_left_alone() -> None:
    law = lambda m, x, y: F.linear(torch.cat([x, y], 1), m.matrix, m.bias)  # noqa: E731
    model = Lambda(law, matrix=torch.ones(3, 4), bias=torch.ones(5, 3))
    prove(fill(model), SplitProjection(), (5, 2), (5, 2), sites=0)


def test_the_bias_is_added_once() -> None:
    """Zeros in give the bias out."""
    model = fill(Lambda(lambda m, x, y: m.conv(torch.cat([x, y], 1)), conv=nn.Conv2d(6, 6, 1)))
    after, _ = rewritten(traced(model, (1, 3, 1, 1), (1, 3, 1, 1)), SplitProjection())
    zeros = torch.zeros(1, 3, 1, 1)
    out: Tensor = after.graph_module(zeros, zeros)[0]
    assert torch.equal(out.flatten(), model.conv.bias)
