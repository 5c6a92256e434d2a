"""Depthwise convolutions as products are depthwise convolutions."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import cloformer
from cloformer.training.depthwise import as_products


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 9), width=st.integers(1, 9), rows=st.integers(1, 5), columns=st.integers(1, 5),
    stride=st.integers(1, 3), padding=st.integers(0, 3), bias=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_law(
    height: int, width: int, rows: int, columns: int, stride: int, padding: int, bias: bool, seed: int
) -> None:
    if min(height + 2 * padding - rows, width + 2 * padding - columns) < 0:
        return
    torch.manual_seed(seed)
    one = nn.Conv2d(3, 3, (rows, columns), stride, padding, groups=3, bias=bias).double()
    other = copy.deepcopy(one)
    as_products(other)
    x = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    again = x.detach().clone().requires_grad_()
    expected, got = one(x), other(again)
    assert torch.allclose(got, expected, rtol=0, atol=1e-12)
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (got * weights).sum().backward()
    assert torch.allclose(again.grad, x.grad, rtol=0, atol=1e-12)  # type: ignore[arg-type]
    for wanted, found in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(found.grad, wanted.grad, rtol=0, atol=1e-11)  # type: ignore[arg-type]


def test_the_whole_network_and_its_copies() -> None:
    torch.manual_seed(0)
    one = cloformer.create_model("cloformer_xxs", num_classes=5).double().eval()
    other = copy.deepcopy(one)
    as_products(other)
    changed = [layer for layer in other.modules() if "forward" in vars(layer)]
    assert len(changed) == 24  # an AttnConv's and a ConvFFN's in each of twelve blocks
    third = copy.deepcopy(other)
    for parameter in third.parameters():
        parameter.data *= 1.01
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.inference_mode():
        assert torch.allclose(other(x), one(x), rtol=0, atol=1e-11)
        assert not torch.allclose(third(x), other(x), atol=1e-3), "a copy has weights of its own"
    assert other.state_dict().keys() == one.state_dict().keys()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, padding=1),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 8, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4),
        nn.Conv2d(4, 4, 3, padding="same", groups=4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="reflect"),
    ],
)
def test_other_layers_are_left_alone(layer: nn.Conv2d) -> None:
    as_products(layer)
    assert "forward" not in vars(layer)
