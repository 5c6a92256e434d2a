from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from reference_weights import fill
from torch import nn

from cloformer.export.passes.add_layers_in_turn import AddLayersInTurn


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    rank=st.integers(2, 4),
    linear=st.booleans(),
    kernel=st.sampled_from([1, 3]),
    bias=st.booleans(),
    before=st.booleans(),
)
def test_law(rank: int, linear: bool, kernel: int, bias: bool, before: bool) -> None:
    def layer() -> nn.Module:
        if linear or rank == 2:
            return nn.Linear(6, 6, bias)
        return {3: nn.Conv1d, 4: nn.Conv2d}[rank](6, 6, kernel, padding="same", bias=bias)

    model = Lambda(
        lambda m, x, y: x + (m.one(x) + m.other(y)) if before else (m.one(x) + m.other(y)) + x,
        one=layer(), other=layer(),
    )  # fmt: skip
    shape = (2, *[6] * (rank - 1))
    found = prove(fill(model), AddLayersInTurn(), shape, shape, sites=1)
    assert found.count("add") == 2 and found[-1] == found[-2] == "add"  # both layers stand before both sums


_FORMS: dict[str, tuple[Callable[..., object], int]] = {
    "two in a row": (lambda m, x, y: (x + (m.a(x) + m.b(y))) + (m.b(x) + m.a(y)), 2),
    "sums on both sides": (lambda m, x, y: (m.a(x) + m.b(y)) + (m.b(x) + m.a(y)), 1),
    "scaled": (lambda m, x, y: x.add(m.a(x) + m.b(y), alpha=2), 0),
    "scaled inside": (lambda m, x, y: x + m.a(x).add(m.b(y), alpha=2), 0),
    "sum read twice": (lambda m, x, y: (s := m.a(x) + m.b(y)) * (x + s), 0),
    "layer read twice": (lambda m, x, y: (s := m.a(x)) * (x + (s + m.b(y))), 0),
    "one is no layer": (lambda m, x, y: x + (m.a(x) + y), 0),
    "the same layer twice": (lambda m, x, y: x + ((s := m.a(x)) + s), 0),
    "a number": (lambda m, x, y: 2.0 + (m.a(x) + m.b(y)), 0),
    "spread out": (lambda m, x, y: x.mean((2, 3), keepdim=True) + (m.a(x) + m.b(y)), 0),
    "spread out inside": (lambda m, x, y: x + (m.a(x) + m.b(y.mean((2, 3), keepdim=True))), 0),
}


@pytest.mark.parametrize(("law", "sites"), _FORMS.values(), ids=list(_FORMS))
def test_forms(law: Callable[..., object], sites: int) -> None:
    model = Lambda(law, a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(3, 3, 1))
    prove(fill(model), AddLayersInTurn(), (2, 3, 5, 5), (2, 3, 5, 5), sites=sites)
