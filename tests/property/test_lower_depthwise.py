from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, operators, prove, rewritten, traced
from reference_weights import fill
from torch import nn

from cloformer.export.passes import lower_depthwise
from cloformer.export.passes.depthwise import FORMS
from cloformer.export.passes.lower_depthwise import LowerDepthwise

KERNELS = [(5, 5), (7, 7), (9, 9), (4, 6), (3, 3), (5, 3), (1, 7)]
MAPS = [(14, 14), (13, 11), (9, 28), (7, 7)]


@contextmanager
def _the_offer(number: int) -> Iterator[list[int]]:
    """Every site takes one of its offers, whatever it costs; gives how many sites had some."""
    taken: list[int] = []

    def choose(choices, _budget: float) -> None:
        for choice in choices:
            if choice.offers:
                choice.chosen = choice.offers[number % len(choice.offers)]
                taken.append(len(choice.offers))

    with mock.patch.object(lower_depthwise, "_choose", choose):
        yield taken


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=24, deadline=None, derandomize=True)
@given(
    kernel=st.sampled_from(KERNELS),
    stride=st.sampled_from([1, 2, (1, 2), (2, 1), 3]),
    padding=st.sampled_from([0, 1, 2, (3, 2), 4]),
    dilation=st.sampled_from([1, 1, (1, 2)]),
    multiplier=st.sampled_from([1, 1, 2]),
    bias=st.booleans(),
    batch=st.integers(1, 2),
    sizes=st.sampled_from(MAPS),
    offer=st.integers(0, 5),
)
def test_law(
    form: str, kernel, stride, padding, dilation, multiplier: int, bias: bool, batch: int, sizes, offer: int
) -> None:
    """Every offer of every form, with strides that leave rows over, paddings wider than the kernel, several filters a channel."""
    layer = nn.Conv2d(3, 3 * multiplier, kernel, stride, padding, dilation, groups=3, bias=bias)
    shape = (batch, 3, *sizes)
    if any(
        size + 2 * pad < (taps - 1) * gap + 1
        for size, pad, taps, gap in zip(sizes, _pair(padding), kernel, _pair(dilation))
    ):
        return
    with _the_offer(offer) as taken:
        rewritten(traced(fill(nn.Sequential(layer)), shape), LowerDepthwise((form,)))
        sites = len(taken)
        prove(nn.Sequential(layer), LowerDepthwise((form,)), shape, sites=sites, exports=False)


def _pair(value) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_exports_again(form: str) -> None:
    stride = 2 if form == "phases" else 1
    model = fill(nn.Sequential(nn.Conv2d(4, 4, 5, stride, 2, groups=4)))
    with _the_offer(0):
        prove(model, LowerDepthwise((form,)), (1, 4, 28, 28), sites=1)


@pytest.mark.parametrize(
    ("form", "layer", "convolutions", "sums", "others"),
    [
        ("tiles", nn.Conv2d(4, 4, 5, padding=2, groups=4), 4, 3, {"cat", "constant_pad_nd", "slice"}),
        ("phases", nn.Conv2d(4, 4, 5, 2, 2, groups=4), 2, 2, {"permute", "slice"}),
        ("products", nn.Conv2d(4, 4, 5, padding=2, groups=4), 1, 0, {"constant_pad_nd", "permute"}),
    ],
)
def test_what_is_written(form: str, layer: nn.Module, convolutions: int, sums: int, others: set[str]) -> None:
    with _the_offer(0):
        found = prove(fill(nn.Sequential(layer)), LowerDepthwise((form,)), (1, 4, 14, 14), sites=1)
    assert found.count("conv2d") == convolutions
    assert found.count("add") == sums
    assert others <= set(found)


def test_weights_grow_by_what_is_allowed() -> None:
    """Of three layers as many are written in another form as can be stored."""
    layers = [nn.Conv2d(64, 64, 5, padding=2, groups=64) for _ in range(3)]
    model = fill(nn.Sequential(*layers, nn.Conv2d(64, 512, 1)))
    before = traced(model, (1, 64, 7, 7))
    stored = sum(tensor.numel() for tensor in model.state_dict().values())
    found = []
    for most in (0.0, 0.15, 9.0):
        after, applied = rewritten(before, LowerDepthwise(max_growth=most))
        grown = sum(tensor.numel() for tensor in after.graph_module.state_dict().values()) - stored
        assert grown <= most * stored
        found.append(len(applied[-1].sites))
    assert found[0] == 0 < found[1] < found[2] == 3


def test_zeros_are_stored_once() -> None:
    layers = [nn.Conv2d(64, 64, 5, padding=2, groups=64) for _ in range(3)]
    after, _ = rewritten(
        traced(fill(nn.Sequential(*layers)), (1, 64, 28, 28)), LowerDepthwise(("tiles",), 99.0)
    )
    zeros = [tensor for tensor in after.graph_module.state_dict().values() if not tensor.any()]
    assert len(zeros) == 1
    assert operators(after).count("cat") == 3


_LEFT_ALONE = {
    "a kernel that there is": nn.Conv2d(64, 64, 3, padding=1, groups=64),
    "not depthwise": nn.Conv2d(4, 4, 7),
    "groups of two": nn.Conv2d(4, 4, 7, groups=2),
    "of one dimension": nn.Conv1d(4, 4, 27, groups=4),
    "of three": nn.Conv3d(4, 4, (3, 3, 3), groups=4),
    "transposed": nn.ConvTranspose2d(4, 4, 7, groups=4),
    "of one channel": nn.Conv2d(1, 1, 7),
    "spread rows": nn.Conv2d(4, 4, 3, dilation=(2, 1), groups=4),
}


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    layer = _LEFT_ALONE[name]
    channels = 1 if name == "of one channel" else 64 if name == "a kernel that there is" else 4
    shape = {"of one dimension": (1, 4, 30), "of three": (1, 4, 5, 5, 5)}.get(name, (1, channels, 30, 30))
    prove(fill(nn.Sequential(layer)), LowerDepthwise(max_growth=99.0), shape, sites=0)


def test_a_computed_kernel_is_left_alone() -> None:
    model = Lambda(lambda m, x: F.conv2d(x, torch.exp(m.kernel), groups=4), kernel=torch.rand(4, 1, 7, 7))
    prove(model, LowerDepthwise(max_growth=99.0), (1, 4, 9, 9), sites=0)
