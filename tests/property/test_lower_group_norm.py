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

from cloformer.export.passes.fold_normalization_affine import FoldNormalizationAffine
from cloformer.export.passes.lower_group_norm import LowerGroupNorm

_OPERATORS = ["layer_norm", "instance_norm"]


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    operator=st.sampled_from(_OPERATORS),
    groups=st.sampled_from([1, 2, 3, 6]),
    rank=st.integers(2, 5),
    batch=st.integers(1, 3),
    affine=st.booleans(),
    eps=st.sampled_from([1e-6, 1e-5, 1e-2]),
)
def test_law(operator: str, groups: int, rank: int, batch: int, affine: bool, eps: float) -> None:
    groups = 1 if rank == 2 else groups
    model = fill(nn.Sequential(nn.GroupNorm(groups, 6, eps, affine)))
    found = prove(model, LowerGroupNorm(operator), [batch, 6, *[5, 4, 3][: rank - 2]], sites=1)
    assert found.count(operator) == 1
    assert "group_norm" not in found
    assert {"mul", "add"} <= set(found) if affine else not {"mul", "add"} & set(found)
    # One group is normalized as it lies, without a reshape.
    assert ("reshape" in found) is not (operator == "layer_norm" and groups == 1)


@pytest.mark.parametrize("operator", _OPERATORS)
@pytest.mark.parametrize(("gain", "shift"), [(True, False), (False, True)], ids=["gain only", "shift only"])
def test_half_an_affine_map(operator: str, gain: bool, shift: bool) -> None:
    law = lambda m, x: F.group_norm(x, 2, m.gain if gain else None, m.shift if shift else None)  # noqa: E731
    found = prove(
        fill(Lambda(law, gain=torch.ones(4), shift=torch.ones(4))),
        LowerGroupNorm(operator),
        (2, 4, 3),
        sites=1,
    )
    assert (("mul" in found), ("add" in found)) == (gain, shift)


@pytest.mark.parametrize("operator", _OPERATORS)
def test_after_its_affine_map_was_folded(operator: str) -> None:
    model = fill(nn.Sequential(nn.GroupNorm(1, 4), nn.Conv2d(4, 3, 1)))
    found = prove(model, [FoldNormalizationAffine(), LowerGroupNorm(operator)], (2, 4, 5, 3), sites=2)
    assert not {"mul", "add"} & set(found)


@pytest.mark.parametrize("operator", _OPERATORS)
def test_one_norm_used_twice(operator: str) -> None:
    model = fill(Lambda(lambda m, x: m.norm(torch.relu(m.norm(x))), norm=nn.GroupNorm(2, 4)))
    prove(model, LowerGroupNorm(operator), (2, 4, 5, 3), sites=2)


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "computed gain": lambda m, x: F.group_norm(x, 2, torch.exp(m.norm.weight), m.norm.bias),
    "computed shift": lambda m, x: F.group_norm(x, 2, m.norm.weight, 2 * m.norm.bias),
    "layer norm": lambda m, x: F.layer_norm(x, x.shape[1:]),
    "instance norm": lambda m, x: F.instance_norm(x),
}


@pytest.mark.parametrize("operator", _OPERATORS)
@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str, operator: str) -> None:
    prove(
        fill(Lambda(_LEFT_ALONE[name], norm=nn.GroupNorm(2, 4))),
        LowerGroupNorm(operator),
        (2, 4, 5, 3),
        sites=0,
    )
