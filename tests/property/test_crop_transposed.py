from __future__ import annotations

from collections.abc import Callable

import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import nn

from cloformer.export.passes.crop_transposed import CropTransposed

_LAYERS = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    rank=st.sampled_from([1, 2, 2, 3]),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    more=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
)
def test_law(
    rank: int, kernel: int, stride: int, padding: int, more: int, dilation: int, groups: int, *, bias: bool
) -> None:
    more = min(more, max(stride, dilation) - 1)
    reach = dilation * (kernel - 1) + 1
    is_native = more == 0 and padding * 2 in (0, reach - stride)
    layer = _LAYERS[rank](4, 6, kernel, stride, padding, more, groups, bias, dilation)
    found = prove(layer, CropTransposed(), (2, 4, *[5, 4, 6][:rank]), sites=0 if is_native else 1)
    assert found.count(f"conv_transpose{rank}d") == 1


_FORMS: dict[str, tuple[Callable[..., object], int]] = {
    "a kernel that is computed": (
        lambda m, x: F.conv_transpose2d(x, x[0, :, None, :3, :3], None, 2, 1, 1),
        1,
    ),
    "no batch": (lambda m, x: F.conv_transpose2d(x[0], x[0, :, None, :3, :3], None, 2, 1), 1),
    "another border on each axis": (
        lambda m, x: F.conv_transpose2d(x, x[0, :, None, :3, :2], None, (2, 2), (1, 0), (1, 0)),
        1,
    ),
    "no border": (lambda m, x: F.conv_transpose2d(x, x[0, :, None, :3, :3], None, 2), 0),
    "as often as the stride says": (lambda m, x: F.conv_transpose2d(x, x[0, :, None, :4, :4], None, 2, 1), 0),
    "a convolution": (lambda m, x: F.conv2d(x, x[0, None, :, :3, :3], None, 2, 1), 0),
}


@pytest.mark.parametrize("name", _FORMS)
def test_forms(name: str) -> None:
    law, sites = _FORMS[name]
    prove(Lambda(law), CropTransposed(), (2, 4, 5, 6), sites=sites)
