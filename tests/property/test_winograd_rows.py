"""Minimal filtering of row pairs: equal to the convolutions in float64, borders included."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, pairwise

import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import nn

from cloformer.export.passes.winograd_rows import WinogradRows

SIZE = 48  # the least number of channels, and a map that is large beside them
SHAPE = (1, SIZE, 38, 38)


def _conv(inputs: int = SIZE, outputs: int = SIZE, **options: object) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, **{"kernel_size": 3, "padding": 1, **options})  # type: ignore[arg-type]


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 2),
    rows=st.integers(24, 28),
    columns=st.integers(60, 65),
    widths=st.lists(st.integers(48, 52), min_size=3, max_size=4),
    bias=st.booleans(),
    between=st.sampled_from([F.relu, F.gelu, F.silu, F.hardswish, lambda x: x]),
    last=st.booleans(),
)
def test_law(
    batch: int,
    rows: int,
    columns: int,
    widths: list[int],
    bias: bool,
    between: Callable[..., object],
    last: bool,
) -> None:
    """A chain of two or three, over odd widths too; with an odd number of rows it is left alone."""
    layers = {
        f"conv{k}": _conv(inputs, outputs, bias=bias) for k, (inputs, outputs) in enumerate(pairwise(widths))
    }

    def law(m: nn.Module, x: object) -> object:
        for k in range(len(layers)):
            x = getattr(m, f"conv{k}")(x)
            x = between(x) if last or k < len(layers) - 1 else x
        return x

    sites = _in_chains([rows % 2 == 0 and rows * columns >= 30 * inputs for inputs in widths[:-1]])
    shape = (batch, widths[0], rows, columns)
    found = prove(fill(Lambda(law, **layers)), WinogradRows(), shape, sites=sites)
    assert found.count("cat") == found.count("view") == (sites > 0)


def _in_chains(fits: list[bool]) -> int:
    """How many of the layers stand beside another one that fits."""
    runs = [len(list(run)) for fit, run in groupby(fits) if fit]
    return sum(length for length in runs if length > 1)


_FORMS: dict[str, tuple[Callable[..., object], int]] = {
    "then pointwise": (lambda m, x: m.point(F.relu(m.b(F.relu(m.a(x))))), 2),
    "pointwise between": (lambda m, x: m.b(F.relu(m.point(F.relu(m.a(x))))), 2),
    "two chains": (lambda m, x: m.b(m.a(F.max_pool2d(m.b(F.relu(m.a(x))), 3, 1, 1))), 4),
    "side by side": (lambda m, x: m.b(m.a(x)) * m.a(F.relu(m.b(x))), 4),
    "read in between": (lambda m, x: m.b(s := m.a(x)) + s, 0),
    "read at the end": (lambda m, x: (s := m.b(m.a(x))) * F.relu(s), 2),
    "one alone": (lambda m, x: F.relu(m.a(x)), 0),
    "strided": (lambda m, x: m.b(m.strided(x)), 0),
    "dilated": (lambda m, x: m.b(m.dilated(x)), 0),
    "grouped": (lambda m, x: m.b(m.grouped(x)), 0),
    "unpadded": (lambda m, x: m.b(m.unpadded(x)), 0),
    "another kernel": (lambda m, x: m.b(m.five(x)), 0),
    "a narrow layer between": (lambda m, x: m.widen(m.narrow(x)), 0),
    "something that mixes rows between": (lambda m, x: m.b(F.avg_pool2d(m.a(x), 3, 1, 1)), 0),
}


@pytest.mark.parametrize(("law", "sites"), _FORMS.values(), ids=list(_FORMS))
def test_forms(law: Callable[..., object], sites: int) -> None:
    layers = {
        "a": _conv(), "b": _conv(), "point": nn.Conv2d(SIZE, SIZE, 1), "strided": _conv(stride=2),
        "dilated": _conv(dilation=2, padding=2), "grouped": _conv(groups=2), "unpadded": _conv(padding=0),
        "five": _conv(kernel_size=5, padding=2), "narrow": _conv(outputs=8), "widen": _conv(inputs=8),
    }  # fmt: skip
    prove(fill(Lambda(law, **layers)), WinogradRows(), SHAPE, sites=sites)


def test_a_small_map_is_left_alone() -> None:
    """There the kernels, which grow by a third, are most of what is read."""
    model = Lambda(lambda m, x: m.b(F.relu(m.a(x))), a=_conv(), b=_conv())
    prove(fill(model), WinogradRows(), (1, SIZE, 14, 14), sites=0)


def test_a_convolution_of_its_own_kernel_is_no_chain() -> None:
    """The value of the first is the weight of the second."""
    model = Lambda(lambda m, x: F.conv2d(x, m.a(x)[:, :, :3, :3].repeat(SIZE, 1, 1, 1), padding=1), a=_conv())
    prove(fill(model), WinogradRows(), SHAPE, sites=0)
