from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import nn

from cloformer.export.passes.instance_as_group_norm import InstanceAsGroupNorm

_NORMS = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    axes=st.sampled_from([1, 2, 3]), affine=st.booleans(), batch=st.integers(1, 3), channels=st.integers(1, 4)
)
def test_law(axes: int, affine: bool, batch: int, channels: int) -> None:
    torch.manual_seed(0)
    norm = _NORMS[axes](channels, affine=affine)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    model = Lambda(lambda m, x: m.norm(x), norm=norm)
    found = prove(model, InstanceAsGroupNorm(), (batch, channels, *[3, 4, 5][:axes]), sites=1)
    assert "group_norm" in found and "instance_norm" not in found


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_eps(eps: float) -> None:
    model = Lambda(lambda m, x: m.norm(x), norm=nn.InstanceNorm2d(3, eps=eps))
    prove(model, InstanceAsGroupNorm(), (2, 3, 4, 5), sites=1)


def test_known_statistics_are_left_alone() -> None:
    model = Lambda(lambda m, x: m.norm(x), norm=nn.InstanceNorm2d(3, track_running_stats=True)).eval()
    prove(model, InstanceAsGroupNorm(), (2, 3, 4, 5), sites=0)
