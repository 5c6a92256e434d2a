from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove

from cloformer.export.passes.turn_heads import TurnHeads


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 2),
    heads=st.integers(1, 3),
    depth=st.integers(1, 4),
    plane=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    permutes=st.booleans(),
)
def test_law(batch: int, heads: int, depth: int, plane: tuple[int, int], permutes: bool) -> None:
    """Out of a map and back, with several heads, by transposing or permuting."""

    def law(m: Lambda, x: object) -> object:
        rows = x.reshape(batch, heads, depth, -1)
        rows = rows.permute(0, 1, 3, 2) if permutes else rows.transpose(-1, -2)
        rows = rows.exp()
        rows = rows.permute(0, 1, 3, 2) if permutes else rows.transpose(3, 2)
        return rows.reshape(batch, heads * depth, *plane)

    found = prove(Lambda(law), TurnHeads(), (batch, heads * depth, *plane), sites=2)
    assert found.count("permute") == 4 and "transpose" not in found


@pytest.mark.parametrize("batch", [1, 2])
def test_one_head(batch: int) -> None:
    law = lambda m, x: x.flatten(2).transpose(1, 2).exp().transpose(1, 2).reshape(batch, 6, 3, 4)  # noqa: E731
    reshaped = lambda m, x: law(m, x.reshape(batch, 6, 3, 4))  # noqa: E731
    prove(
        Lambda(reshaped), TurnHeads(), (batch, 6, 12), sites=1
    )  # flatten is a reshape where identities are removed


_SHAPE = (2, 6, 4, 5)
_FORMS: dict[str, tuple[Callable[..., object], int]] = {
    "the heads are read as they lie too": (
        lambda m, x: ((h := x.reshape(2, 2, 3, 20)).transpose(-1, -2).exp(), h), 1,
    ),
    "rows are read twice": (
        lambda m, x: ((t := x.exp().reshape(2, 2, 3, 20).transpose(-1, -2)), t.exp()), 1,
    ),
    "another way back": (lambda m, x: x.exp().reshape(2, 2, 3, 20).transpose(-1, -2).reshape(2, 2, 60), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", _FORMS)
def test_forms(name: str) -> None:
    law, sites = _FORMS[name]
    prove(Lambda(law), TurnHeads(), _SHAPE, sites=sites)


_LEFT_ALONE: dict[str, tuple[Callable[..., object], tuple[int, ...]]] = {
    "channels that are split with places": (lambda m, x: x.reshape(2, 2, 12, 5).transpose(-1, -2), _SHAPE),
    "batches that are mixed": (lambda m, x: x.reshape(1, 4, 3, 20).transpose(-1, -2), _SHAPE),
    "another order": (lambda m, x: x.reshape(2, 2, 3, 20).transpose(1, 2), _SHAPE),
    "no map": (lambda m, x: x.reshape(2, 2, 3, 20).transpose(-1, -2), (2, 6, 20)),
    "a map that is transposed": (lambda m, x: x.transpose(-1, -2), _SHAPE),
    "read on its way back": (
        lambda m, x: ((t := x.transpose(-1, -2)).reshape(2, 6, 4, 5), t), (2, 2, 20, 3),
    ),
    "back to another shape": (lambda m, x: x.transpose(-1, -2).reshape(2, 3, 8, 5), (2, 2, 20, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    law, shape = _LEFT_ALONE[name]
    prove(Lambda(law), TurnHeads(), shape, sites=0)
