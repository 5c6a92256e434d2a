from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import nn

from cloformer.export.passes.write_out_layer_norm import WriteOutLayerNorm


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    lead=st.sampled_from([(), (1,), (2, 3), (2, 1, 3)]),
    normalized=st.sampled_from([(5,), (4, 3), (1,), (2, 3, 2)]),
    affine=st.booleans(),
    bias=st.booleans(),
    eps=st.sampled_from([1e-6, 1e-5, 1e-2]),
)
def test_law(
    lead: tuple[int, ...], normalized: tuple[int, ...], affine: bool, bias: bool, eps: float
) -> None:
    norm = nn.LayerNorm(normalized, eps, affine, bias)
    found = prove(fill(nn.Sequential(norm)), WriteOutLayerNorm(), (*lead, *normalized), sites=1)
    assert "layer_norm" not in found and found.count("mean") == 2
    assert (found.count("mul"), found.count("add")) == (2 + affine, 1 + (affine and bias))


@pytest.mark.parametrize(("normalized", "means"), [((5,), 0), ((4, 3), 2)])
def test_means_as_products(normalized: tuple[int, ...], means: int) -> None:
    """Over the last axis alone."""
    model = fill(nn.Sequential(nn.LayerNorm(normalized)))
    found = prove(model, WriteOutLayerNorm(by_products=True), (2, 3, *normalized), sites=1)
    assert (found.count("mean"), found.count("linear")) == (means, 2 - means)


def test_a_computed_gain() -> None:
    model = Lambda(lambda m, x: F.layer_norm(x, (4,), torch.exp(m.gain), m.gain), gain=torch.rand(4))
    prove(model, WriteOutLayerNorm(), (2, 3, 4), sites=1)


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.InstanceNorm1d(4), nn.RMSNorm(5)])
def test_other_norms_are_left_alone(norm: nn.Module) -> None:
    prove(fill(nn.Sequential(norm)), WriteOutLayerNorm(), (2, 4, 5), sites=0)
