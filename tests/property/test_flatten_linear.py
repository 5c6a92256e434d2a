from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import nn

from cloformer.export.passes.flatten_linear import FlattenLinear


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    lead=st.sampled_from([(1, 1), (2, 3), (1, 2, 3), (2, 3, 1), (2, 1, 3, 2)]), bias=st.booleans(), widths=st.sampled_from([(4, 3), (1, 5)])
)  # fmt: skip
def test_law(lead: tuple[int, ...], bias: bool, widths: tuple[int, int]) -> None:
    found = prove(fill(nn.Sequential(nn.Linear(*widths, bias))), FlattenLinear(), (*lead, widths[0]), sites=1)
    assert (found.count("linear"), found.count("reshape")) == (1, 2)


@pytest.mark.parametrize("rows", [1, 5])
def test_what_would_be_undone_is_a_convolution(rows: int) -> None:
    shape = (1, rows, 1, 4)
    layer = fill(nn.Sequential(nn.Linear(4, 3, bias=False)))
    product = Lambda(lambda m, x: x @ m.weight, weight=torch.rand(4, 3))
    for model in (layer, product):
        found = prove(model, FlattenLinear(), shape, sites=1)
        assert found.count("conv2d") == 1 and not {"linear", "mm", "matmul"} & set(found)
    biased = prove(fill(nn.Sequential(nn.Linear(4, 3))), FlattenLinear(), shape, sites=1)
    computed = Lambda(lambda m, x: x @ (m.weight * x.sum()), weight=torch.rand(4, 3))
    assert "conv2d" not in biased + prove(computed, FlattenLinear(), shape, sites=1)


def test_a_product_with_a_matrix() -> None:
    product = Lambda(lambda m, x: x @ m.weight, weight=torch.rand(4, 3))
    found = prove(product, FlattenLinear(), (2, 3, 4), sites=1)
    assert (found.count("mm"), found.count("reshape")) == (1, 2)
    for shape in ((5, 4), (4,)):
        prove(product, FlattenLinear(), shape, sites=0)
    of_many = Lambda(lambda m, x: x @ m.weight, weight=torch.rand(2, 4, 3))
    prove(of_many, FlattenLinear(), (2, 3, 4), sites=0)


def test_computed_weights() -> None:
    model = Lambda(lambda m, x: F.linear(x, torch.exp(m.weight)), weight=torch.rand(3, 4))
    prove(model, FlattenLinear(), (2, 3, 4), sites=1)


@pytest.mark.parametrize("shape", [(4,), (5, 4)], ids=["a vector", "rows"])
def test_left_alone(shape: tuple[int, ...]) -> None:
    prove(fill(nn.Sequential(nn.Linear(4, 3))), FlattenLinear(), shape, sites=0)


def test_a_vector_as_weight_is_left_alone() -> None:
    prove(
        Lambda(lambda m, x: F.linear(x, m.weight), weight=torch.rand(4)), FlattenLinear(), (2, 3, 4), sites=0
    )
