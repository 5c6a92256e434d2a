from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import Tensor, nn

from cloformer.export.passes.write_out_for_executorch import WriteOutForExecutorch


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    kernel=st.tuples(*[st.integers(1, 3)] * 3),
    stride=st.tuples(*[st.integers(1, 3)] * 3),
    padding=st.tuples(*[st.integers(0, 2)] * 3),
    dilation=st.tuples(*[st.integers(1, 2)] * 3),
    groups=st.sampled_from([1, 2, 4]),
    batch=st.integers(1, 2),
    bias=st.booleans(),
)
def test_convolutions_of_volumes(
    kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...], groups: int, batch: int,
    bias: bool,
) -> None:  # fmt: skip
    torch.manual_seed(0)
    layer = nn.Conv3d(4, 8, kernel, stride, padding, dilation, groups, bias)  # type: ignore[arg-type]
    model = Lambda(lambda m, x: m.layer(x), layer=layer)
    found = prove(model, WriteOutForExecutorch(), (batch, 4, 6, 5, 7), sites=1)
    assert found.count("conv2d") == kernel[0] and "conv3d" not in found


_EDGES = torch.linspace(-1, 1, 9)


def _odd(x: Tensor) -> Tensor:
    return (99 * x).long() * 2 + 1


_LAWS: dict[str, tuple[Callable[[Tensor], object], int]] = {
    "the largest of volumes": (lambda x: F.max_pool3d(x, 2), 1),
    "of windows that lie over each other, with borders": (
        lambda x: F.max_pool3d(x, (3, 2, 3), (1, 2, 2), (1, 0, 1)),
        1,
    ),
    "over the edge": (lambda x: F.max_pool3d(x, 3, 2, 1, ceil_mode=True), 1),
    "with gaps": (lambda x: F.max_pool3d(x, 2, 1, 0, 2), 0),
    "a mean of volumes": (lambda x: F.avg_pool3d(x, (2, 3, 1), (1, 2, 2)), 1),
    "with its borders": (lambda x: F.avg_pool3d(x, 3, 2, 1), 1),
    "and without": (lambda x: F.avg_pool3d(x, 3, 2, 1, count_include_pad=False), 0),
    "by another number": (lambda x: F.avg_pool3d(x, 3, divisor_override=5), 0),
    "the largest of equal parts": (lambda x: F.adaptive_max_pool2d(x[0], (1, 3)), 1),
    "of others": (lambda x: F.adaptive_max_pool2d(x[0], (4, 5)), 1),
    "of a signal": (lambda x: F.adaptive_max_pool1d(x[0, 0], 2), 1),
    "of volumes": (lambda x: F.adaptive_max_pool3d(x, (2, 3, 2)), 1),
    "where the largest are": (lambda x: F.adaptive_max_pool2d(x[0], 2, return_indices=True)[1], 0),
    "less than none around": (lambda x: F.pad(x, (-1, 2, 0, -1)), 1),
    "means of planes": (lambda x: x[0].mean((-1, 2)), 1),
    "other means": (lambda x: [x[0].mean((2, 3), keepdim=True), x.mean((2, 3)), x[0].mean(2)], 0),
    "parts": (lambda x: [*x.unbind(1), *x.split(4, 2), *x.split((1, 5), -1), *x.chunk(4, 3)], 4),
    "sorted": (lambda x: [*x.sort(1), x.argsort(-1, descending=True)], 2),
    "with equals in their order": (lambda x: x.sort(dim=1, stable=True), 0),
    "the second, and those in the middle": (lambda x: [*x.kthvalue(2, 1), *x.median(-1), x.median()], 3),
    "the largest at places": (lambda x: x.scatter_reduce(1, (x.abs() * 7).long() % 3, x.exp(), "amax"), 2),
    "a bounded line": (lambda x: F.hardsigmoid(3 * x), 1),
    "around": (lambda x: F.pad(x, (1, 2)), 0),
    "windows that are added up": (lambda x: F.fold(x[:, :, :, 0, 0].repeat(1, 4, 1), (3, 4), 2), 1),
    "a running product": (lambda x: x.cumprod(-1), 1),
    "remainders of whole numbers": (
        lambda x: [(99 * x).long() % 7, (99 * x).int() % -7, _odd(x) % _odd(x.flip(0))],
        3,
    ),
    "of numbers": (lambda x: [x % 0.3, _odd(x) % 2.5, _odd(x).fmod(7)], 0),
    "shifts": (lambda x: [_odd(x) >> 2, _odd(x) << 3], 2),
    "between which they are": (
        lambda x: [torch.bucketize(x, _EDGES), torch.searchsorted(_EDGES, x, right=True)],
        2,
    ),
}


@pytest.mark.parametrize("name", _LAWS)
def test_law(name: str) -> None:
    law, sites = _LAWS[name]
    prove(Lambda(lambda _, x: law(x)), WriteOutForExecutorch(), (2, 3, 6, 6, 6), sites=sites)
