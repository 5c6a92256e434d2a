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
    lead=st.sampled_from([(1, 1), (2, 3), (1, 2, 3), (2, 1, 3, 2)]), bias=st.booleans(), widths=st.sampled_from([(4, 3), (1, 5)])
)  # fmt: skip
def test_law(lead: tuple[int, ...], bias: bool, widths: tuple[int, int]) -> None:
    found = prove(fill(nn.Sequential(nn.Linear(*widths, bias))), FlattenLinear(), (*lead, widths[0]), sites=1)
    assert (found.count("linear"), found.count("reshape")) == (1, 2)


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
