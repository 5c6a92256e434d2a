from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove

from cloformer.export.passes.pad_max_pool import PadMaxPool


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    kernel=st.sampled_from([2, 3, (3, 2), 5]),
    stride=st.sampled_from([None, 1, 2, (2, 1)]),
    padding=st.sampled_from([1, (0, 1), (1, 0)]),
    dilation=st.sampled_from([1, 2]),
    sizes=st.tuples(st.integers(9, 11), st.integers(9, 11)),
)
def test_law(kernel, stride, padding, dilation: int, sizes: tuple[int, int]) -> None:
    """Where all that a window sees of the map is zero, too."""
    law = lambda m, x: F.max_pool2d(F.relu(x), kernel, stride, padding, dilation)  # noqa: E731
    found = prove(Lambda(law), PadMaxPool(), (2, 3, *sizes), sites=1)
    assert found.count("constant_pad_nd") == 1


_FORMS: dict[str, tuple[Callable[..., object], int]] = {
    "after a pooling of such": (lambda m, x: F.max_pool2d(F.avg_pool2d(F.relu6(x), 2), 3, 1, 1), 1),
    "one after another": (lambda m, x: F.max_pool2d(F.max_pool2d(F.relu(x), 3, 1, 1), 5, 1, 2), 2),
    "clamped from below": (lambda m, x: F.max_pool2d(x.clamp(min=0.0), 3, 2, 1), 1),
    "clamped from further below": (lambda m, x: F.max_pool2d(x.clamp(min=-1.0), 3, 2, 1), 0),
    "clamped from above": (lambda m, x: F.max_pool2d(x.clamp(max=1.0), 3, 2, 1), 0),
    "of any sign": (lambda m, x: F.max_pool2d(F.silu(x), 3, 2, 1), 0),
    "an input": (lambda m, x: F.max_pool2d(x, 3, 2, 1), 0),
    "without padding": (lambda m, x: F.max_pool2d(F.relu(x), 3, 2), 0),
    "in ceil mode": (lambda m, x: F.max_pool2d(F.relu(x), 3, 2, 1, ceil_mode=True), 0),
    "of a line": (lambda m, x: F.max_pool1d(F.relu(x.flatten(2)), 3, 2, 1), 0),
    "of negatives": (lambda m, x: F.max_pool2d(-F.relu(x), 3, 2, 1), 0),
    "an average": (lambda m, x: F.avg_pool2d(F.relu(x), 3, 2, 1), 0),
}


@pytest.mark.parametrize("name", _FORMS)
def test_forms(name: str) -> None:
    law, sites = _FORMS[name]
    prove(Lambda(law), PadMaxPool(), (1, 2, 9, 8), sites=sites)


def test_a_probability() -> None:
    law = lambda m, x: F.max_pool2d(torch.softmax(x, 1), 3, 2, 1)  # noqa: E731
    prove(Lambda(law), PadMaxPool(), (1, 2, 9, 8), sites=1)
