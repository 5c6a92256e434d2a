from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import nn

from cloformer.export.passes.widen_conv1d import WidenConv1d


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    kernel=st.sampled_from([1, 2, 5]), stride=st.sampled_from([1, 3]), padding=st.sampled_from([0, 2, "valid", "same"]),
    dilation=st.sampled_from([1, 2]), groups=st.sampled_from([1, 2, 4]), bias=st.booleans(), batch=st.sampled_from([1, 3]),
)  # fmt: skip
def test_law(
    kernel: int, stride: int, padding: int | str, dilation: int, groups: int, bias: bool, batch: int
) -> None:
    stride = 1 if padding == "same" else stride  # torch has no other
    layer = nn.Conv1d(4, 8, kernel, stride, padding, dilation=dilation, groups=groups, bias=bias)
    found = prove(fill(nn.Sequential(layer)), WidenConv1d(), (batch, 4, 17), sites=1)
    assert found.count("conv1d") == 0 and found.count("conv2d") == 1


def test_computed_weights() -> None:
    model = Lambda(lambda m, x: F.conv1d(x, torch.exp(m.weight)), weight=torch.rand(6, 4, 3))
    prove(model, WidenConv1d(), (2, 4, 9), sites=1)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Conv1d(4, 2, 3), (4, 9)), (nn.Conv2d(4, 2, 3), (1, 4, 5, 5))],
    ids=["no batch", "an image"],
)
def test_left_alone(layer: nn.Module, shape: tuple[int, ...]) -> None:
    prove(fill(nn.Sequential(layer)), WidenConv1d(), shape, sites=0)
