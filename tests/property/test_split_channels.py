from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove, rewritten, traced
from reference_weights import fill
from torch import nn

from cloformer.export.passes.split_channels import SplitChannels
from cloformer.export.reference.natures import operator_name
from cloformer.export.source.trace import origin_of

_SMALL = SplitChannels(cache=9 * 8 * 32)  # 32 channels of 3 x 3 taps


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    channels=st.sampled_from([52, 64, 100]),
    kernel=st.sampled_from([(3, 3), (5, 5), (1, 7)]),
    stride=st.sampled_from([1, 2]),
    dilation=st.sampled_from([1, 2]),
    padding=st.sampled_from([0, 2, (2, 1)]),
    bias=st.booleans(),
    batch=st.integers(1, 2),
)
def test_law(channels: int, kernel, stride, dilation, padding, bias: bool, batch: int) -> None:
    """Equal parts and a last one that is smaller; what was read is the model's input, which is cut."""
    layer = nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=bias)
    found = prove(fill(nn.Sequential(layer)), _SMALL, (batch, channels, 19, 18), sites=1)
    assert found.count("conv2d") == found.count("slice") > 1


def _wide(*between: nn.Module, behind: tuple[nn.Module, ...] = (), first: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(8, 96, first, padding=first // 2),
        *between,
        nn.Conv2d(96, 96, 3, padding=1, groups=96),
        *behind,
        nn.Conv2d(96, 4, 1),
    )


@pytest.mark.parametrize("first", [1, 3])
def test_the_layer_in_front_is_computed_in_the_same_parts(first: int) -> None:
    found = prove(fill(_wide(nn.GELU(), first=first)), _SMALL, (1, 8, 9, 9), sites=1)
    assert found.count("conv2d") == 3 + 3 + 1
    assert found.count("gelu") == 3
    assert found.count("cat") == 1
    assert "slice" not in found


def test_functions_behind_it_stay_beside_it() -> None:
    """So that a runtime may make them a part of the convolution."""
    found = prove(fill(_wide(nn.Hardswish(), behind=(nn.ReLU6(), nn.Tanh()))), _SMALL, (1, 8, 9, 9), sites=1)
    assert found.count("hardtanh") == found.count("tanh") == found.count("hardswish") == 3


def test_each_operator_keeps_its_place() -> None:
    """What is computed in parts is named as what it is a part of."""
    after, _ = rewritten(traced(fill(_wide(nn.GELU())), (1, 8, 9, 9)), _SMALL)
    calls = [node for node in after.graph_module.graph.nodes if node.op == "call_function"]
    places = [(operator_name(node.target), origin_of(node).module) for node in calls]
    assert sorted(places) == sorted(
        [("conv2d", "0"), ("gelu", "1"), ("conv2d", "2")] * 3 + [("cat", "2"), ("conv2d", "3")]
    )


@pytest.mark.parametrize("channels", [160, 192, 320])
def test_at_most_five_are_put_together(channels: int) -> None:
    layer = nn.Conv2d(channels, channels, 3, groups=channels)
    found = prove(fill(nn.Sequential(layer)), _SMALL, (1, channels, 9, 9), sites=1)
    assert 1 < found.count("conv2d") <= 5


@pytest.mark.parametrize(
    "of",
    [lambda y: (y > 0).float(), lambda y: y.int(), lambda y: y.half()],
    ids=["truths", "int", "half"],
)
def test_numbers_are_put_together_before_they_become_something_else(of) -> None:
    model = Lambda(lambda m, x: of(F.conv2d(x, m.kernel, groups=96)), kernel=torch.rand(96, 1, 3, 3))
    after, _ = rewritten(traced(model, (1, 96, 9, 9)), _SMALL)
    joined = [node for node in after.graph_module.graph.nodes if node.target is torch.ops.aten.cat.default]
    assert [node.meta["val"].dtype for node in joined] == [torch.float32]


_CUT = {
    "read by others, too": lambda m, x: (
        F.conv2d(y := F.gelu(m.first(x)), m.kernel, groups=96).sum() + y.sum()
    ),
    "a product of two": lambda m, x: F.conv2d(m.first(x) * m.first(x + 1), m.kernel, groups=96),
    "a square": lambda m, x: F.conv2d((y := m.first(x)) * y, m.kernel, groups=96),
    "a number by channel": lambda m, x: F.conv2d(F.prelu(m.first(x), m.slope), m.kernel, groups=96),
    "a difference from a number": lambda m, x: F.conv2d(2 ** m.first(x).tanh(), m.kernel, groups=96),
    "of groups": lambda m, x: F.conv2d(m.grouped(x), m.kernel, groups=96),
}


@pytest.mark.parametrize("name", _CUT)
def test_anything_else_is_cut(name: str) -> None:
    parts = {
        "first": nn.Conv2d(8, 96, 1),
        "grouped": nn.Conv2d(8, 96, 1, groups=2),
        "kernel": torch.rand(96, 1, 3, 3),
        "slope": torch.rand(96),
    }
    found = prove(fill(Lambda(_CUT[name], **parts)), _SMALL, (1, 8, 9, 9), sites=1)
    assert found.count("slice") == 3


_LEFT_ALONE = {
    "narrow enough": nn.Conv2d(40, 40, 3, groups=40),
    "a map of few places": nn.Conv2d(96, 96, 3, stride=3, groups=96),
    "a kernel without a fast form": nn.Conv2d(96, 96, (2, 13), padding=(0, 6), groups=96),
    "several outputs a channel": nn.Conv2d(48, 96, 3, groups=48),
    "groups of two": nn.Conv2d(96, 96, 3, groups=48),
    "not depthwise": nn.Conv2d(96, 96, 3),
    "of one dimension": nn.Conv1d(96, 96, 3, groups=96),
    "of three": nn.Conv3d(96, 96, 3, groups=96),
    "transposed": nn.ConvTranspose2d(96, 96, 3, groups=96),
}


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    layer = _LEFT_ALONE[name]
    rank = {"of one dimension": 1, "of three": 3}.get(name, 2)
    channels = getattr(layer, "in_channels")  # noqa: B009 - of any kind of layer
    prove(fill(nn.Sequential(layer)), _SMALL, (1, channels, *[9, 9, 9][:rank]), sites=0)


def test_a_computed_kernel_is_left_alone() -> None:
    model = Lambda(lambda m, x: F.conv2d(x, torch.exp(m.kernel), groups=96), kernel=torch.rand(96, 1, 3, 3))
    prove(model, _SMALL, (1, 96, 9, 9), sites=0)
