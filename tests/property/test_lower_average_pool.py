from __future__ import annotations

import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove, rewritten, traced
from torch import nn

from cloformer.export.passes.lower_average_pool import LowerAveragePool

FORMS = ("convolution", "product")
OPERATORS = {"convolution": ["conv2d"], "product": ["reshape", "matmul", "reshape"]}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    kernel=st.sampled_from([(2, 2), (3, 2), (1, 4), (7, 7)]),
    windows=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    batch=st.integers(1, 2),
)
def test_law_of_windows_side_by_side(form, kernel, windows, batch: int) -> None:
    shape = (batch, 3, kernel[0] * windows[0], kernel[1] * windows[1])
    found = prove(nn.AvgPool2d(kernel), LowerAveragePool(form), shape, sites=1)
    assert found == OPERATORS[form]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    kernel=st.sampled_from([2, 3, (3, 2)]),
    stride=st.sampled_from([1, 2, (2, 1), 3]),
    padding=st.sampled_from([0, 1]),
    sizes=st.sampled_from([(7, 9), (8, 8)]),
)
def test_law_of_windows_that_overlap_or_leave_places_out(kernel, stride, padding, sizes) -> None:
    pool = nn.AvgPool2d(kernel, stride, padding)
    prove(pool, LowerAveragePool("convolution"), (2, 3, *sizes), sites=1)


_OF_NEITHER = {
    "padding that does not count": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), (1, 3, 8, 8)),
    "a divisor": (nn.AvgPool2d(2, divisor_override=3), (1, 3, 8, 8)),
    "a window over the edge": (nn.AvgPool2d(2, ceil_mode=True), (1, 3, 7, 8)),
    "windows of one place": (nn.AvgPool2d(1), (1, 3, 8, 8)),
    "a map without a batch": (nn.AvgPool2d(2), (3, 8, 8)),
    "one dimension": (nn.AvgPool1d(2), (1, 3, 8)),
    "three": (nn.AvgPool3d(2), (1, 3, 4, 4, 4)),
    "the largest": (nn.MaxPool2d(2), (1, 3, 8, 8)),
}  # fmt: skip
_OF_NO_PRODUCT = {
    "windows that overlap": (nn.AvgPool2d(3, 2), (1, 3, 9, 9)),
    "places left out": (nn.AvgPool2d(2), (1, 3, 8, 9)),
    "rows left out": (nn.AvgPool2d(2), (1, 3, 9, 8)),
    "padding": (nn.AvgPool2d(2, 2, 1), (1, 3, 6, 6)),
    "a result of many columns": (nn.AvgPool2d(2), (1, 3, 2, 58)),
}


@pytest.mark.parametrize("name", _OF_NEITHER)
@pytest.mark.parametrize("form", FORMS)
def test_left_alone(form, name: str) -> None:
    model, shape = _OF_NEITHER[name]
    prove(model, LowerAveragePool(form), shape, sites=0)


@pytest.mark.parametrize("name", _OF_NO_PRODUCT)
def test_left_alone_by_products(name: str) -> None:
    model, shape = _OF_NO_PRODUCT[name]
    prove(model, LowerAveragePool("product"), shape, sites=0)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_windows_share_a_constant(form) -> None:
    """Also where the windows alone are of the same shape as others' result: 2 by 8 for 16 columns, 4 by 4 for 8."""
    model = Lambda(lambda m, x: (F.avg_pool2d(x, 2), F.avg_pool2d(x + 1, 2), F.avg_pool2d(x, (4, 1))))
    prove(model, LowerAveragePool(form), (1, 3, 8, 8), sites=3)
    after, _ = rewritten(traced(model, (1, 3, 8, 8)), LowerAveragePool(form))
    assert len(after.graph_module.state_dict()) == 2
