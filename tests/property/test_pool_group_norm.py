from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import nn

from cloformer.export.passes.pool_group_norm import PoolGroupNorm


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    groups=st.sampled_from([1, 2, 3, 6]),
    batch=st.integers(1, 3),
    plane=st.tuples(st.integers(1, 5), st.integers(2, 4)),
    affine=st.booleans(),
    eps=st.sampled_from([1e-6, 1e-5, 1e-2]),
)
def test_law(groups: int, batch: int, plane: tuple[int, int], affine: bool, eps: float) -> None:
    """One group, several, and as many as channels, where the means of planes are all there is."""
    found = prove(
        fill(nn.Sequential(nn.GroupNorm(groups, 6, eps, affine))),
        PoolGroupNorm(),
        (batch, 6, *plane),
        sites=1,
    )
    assert "group_norm" not in found and found.count("mean") == 2
    assert found.count("conv2d") == (0 if groups == 6 else 2)
    assert found.count("mul") == (3 if affine else 2)


@pytest.mark.parametrize(("gain", "shift"), [(True, False), (False, True)], ids=["gain only", "shift only"])
def test_half_an_affine_map(gain: bool, shift: bool) -> None:
    law = lambda m, x: F.group_norm(x, 2, m.gain if gain else None, m.shift if shift else None)  # noqa: E731
    model = fill(Lambda(law, gain=torch.ones(4), shift=torch.ones(4)))
    prove(model, PoolGroupNorm(), (2, 4, 3, 5), sites=1)


_LEFT_ALONE: dict[str, tuple[Callable[..., object], tuple[int, ...]]] = {
    "computed gain": (lambda m, x: F.group_norm(x, 2, torch.exp(m.norm.weight), m.norm.bias), (2, 4, 5, 3)),
    "computed shift": (lambda m, x: F.group_norm(x, 2, m.norm.weight, 2 * m.norm.bias), (2, 4, 5, 3)),
    "layer norm": (lambda m, x: F.layer_norm(x, x.shape[1:]), (2, 4, 5, 3)),
    "a line": (lambda m, x: m.norm(x), (2, 4, 15)),
    "a volume": (lambda m, x: m.norm(x), (2, 4, 3, 2, 2)),
}


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    law, shape = _LEFT_ALONE[name]
    prove(fill(Lambda(law, norm=nn.GroupNorm(2, 4))), PoolGroupNorm(), shape, sites=0)
