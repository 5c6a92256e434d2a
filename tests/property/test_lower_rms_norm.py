from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import nn

from cloformer.export.passes.lower_rms_norm import LowerRmsNorm


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    axes=st.integers(1, 3),
    affine=st.booleans(),
    eps=st.sampled_from([1e-6, 1e-2]),
)
def test_law(axes: int, affine: bool, eps: float) -> None:
    shape = [2, 5, 4, 3]
    model = fill(nn.Sequential(nn.RMSNorm(shape[-axes:], eps, affine)))
    found = prove(model, LowerRmsNorm(), shape, sites=1)
    assert "rms_norm" not in found
    assert found.count("mul") == (5 if affine else 4) and found.count("mean") == 1


def test_an_epsilon_that_is_not_named_is_the_types_own() -> None:
    """Float32's, in float64 too, which has another one: seen where the numbers are small."""
    from proof import random_inputs, rewritten, traced

    model = nn.RMSNorm(4)
    wide, _ = rewritten(traced(model, (2, 4)), LowerRmsNorm())
    (x,) = random_inputs([(2, 4)])
    x = (x * 1e-4).float()
    with torch.no_grad():
        assert torch.allclose(wide.graph_module(x)[0], model(x), rtol=1e-6)


def test_a_computed_gain_and_a_norm_used_twice() -> None:
    law = lambda m, x: m.norm(torch.relu(m.norm(x))) + F.rms_norm(x, [4], torch.exp(m.norm.weight), 1e-5)  # noqa: E731
    prove(fill(Lambda(law, norm=nn.RMSNorm(4, 1e-5))), LowerRmsNorm(), (2, 3, 4), sites=3)


def test_left_alone() -> None:
    prove(fill(Lambda(lambda m, x: F.layer_norm(x, [4]))), LowerRmsNorm(), (2, 4), sites=0)
