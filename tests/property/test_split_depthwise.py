from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import nn

from cloformer.export.passes.split_depthwise import SplitDepthwise


@settings(max_examples=16, deadline=None, derandomize=True)
@given(
    kernel=st.sampled_from([(7, 7), (9, 9), (6, 5), (7, 4), (13, 2), (26, 1), (2, 25)]),
    stride=st.sampled_from([1, 2, (1, 3)]),
    dilation=st.sampled_from([1, 2, (2, 1)]),
    padding=st.sampled_from([0, 1, (3, 2), 9]),
    multiplier=st.sampled_from([1, 2]),
    bias=st.booleans(),
    batch=st.integers(1, 2),
)
def test_law(kernel, stride, dilation, padding, multiplier: int, bias: bool, batch: int) -> None:
    """Odd and even kernels, strides that leave rows over, paddings as large as the kernel, several outputs a channel."""
    padding = padding if padding != 9 else tuple(size // 2 for size in kernel)
    layer = nn.Conv2d(3, 3 * multiplier, kernel, stride, padding, dilation, groups=3, bias=bias)
    sizes = [2 * size + 9 for size in kernel]
    found = prove(fill(nn.Sequential(layer)), SplitDepthwise(), (batch, 3, *sizes), sites=1)
    assert found.count("conv2d") == found.count("add") + 1 > 1


@pytest.mark.parametrize("dilation", [1, 2])
def test_the_same_size(dilation: int) -> None:
    """An even kernel is padded by one more behind than in front."""
    layer = nn.Conv2d(4, 4, 6, padding="same", dilation=dilation, groups=4)
    prove(fill(nn.Sequential(layer)), SplitDepthwise(), (1, 4, 8, 11), sites=1)


@pytest.mark.parametrize(
    ("kernel", "parts"),
    [((7, 7), 5), ((9, 9), 4), ((7, 5), 2), ((5, 9), 3)],
    ids=["a frame", "every second", "strips", "long rows"],
)
def test_few_parts_that_read_the_map_as_it_lies(kernel: tuple[int, int], parts: int) -> None:
    layer = nn.Conv2d(4, 4, kernel, padding=(kernel[0] // 2, kernel[1] // 2), groups=4)
    found = prove(fill(nn.Sequential(layer)), SplitDepthwise(), (1, 4, 14, 13), sites=1)
    assert found.count("conv2d") == parts
    assert parts < 4 or not {"slice", "constant_pad_nd"} & set(found)


def test_fewer_parts_where_small_ones_do_not_pay() -> None:
    layer = nn.Conv2d(4, 4, 7, padding=3, groups=4)
    found = prove(fill(nn.Sequential(layer)), SplitDepthwise(kernels=(9, 25)), (1, 4, 14, 13), sites=1)
    assert found.count("conv2d") == 3


def test_without_padding_nothing_is_padded() -> None:
    found = prove(fill(nn.Sequential(nn.Conv2d(4, 4, 7, groups=4))), SplitDepthwise(), (1, 4, 9, 9), sites=1)
    assert "constant_pad_nd" not in found


_LEFT_ALONE = {
    "small enough": nn.Conv2d(4, 4, 5, groups=4),
    "a row that is too wide": nn.Conv2d(4, 4, (2, 26), groups=4),
    "not depthwise": nn.Conv2d(4, 4, 7),
    "groups of two": nn.Conv2d(4, 4, 7, groups=2),
    "of one dimension": nn.Conv1d(4, 4, 27, groups=4),
    "of three": nn.Conv3d(4, 4, (3, 3, 3), groups=4),
    "transposed": nn.ConvTranspose2d(4, 4, 7, groups=4),
}


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    layer = _LEFT_ALONE[name]
    shape = {"of one dimension": (1, 4, 30), "of three": (1, 4, 5, 5, 5)}.get(name, (1, 4, 9, 30))
    prove(fill(nn.Sequential(layer)), SplitDepthwise(), shape, sites=0)


def test_a_computed_kernel_is_left_alone() -> None:
    model = Lambda(lambda m, x: F.conv2d(x, torch.exp(m.kernel), groups=4), kernel=torch.rand(4, 1, 7, 7))
    prove(model, SplitDepthwise(), (1, 4, 9, 9), sites=0)
