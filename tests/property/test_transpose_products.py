from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import Tensor

from cloformer.export.passes.transpose_products import TransposeProducts

_SHAPES = (2, 3, 4, 9), (2, 3, 4, 5), (2, 3, 4, 5)


def _turned(x: Tensor) -> Tensor:
    return x.transpose(-1, -2)


def _attention(m: Lambda, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Channels first: (..., D, N), (..., D, K), (..., D, K) to (..., D, N)."""
    return ((q.transpose(-1, -2) @ k).softmax(-1) @ v.transpose(-1, -2)).transpose(-1, -2)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    keys_first=st.booleans(),
    lead=st.sampled_from([(), (2,), (1,), (2, 3), (2, 1)]),
    k_lead=st.sampled_from([(), (1,), (3,), (2, 3)]),
    v_lead=st.sampled_from([(), (1,), (3,), (2, 3)]),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4)),
)
def test_law(
    keys_first: bool,
    lead: tuple[int, ...],
    k_lead: tuple[int, ...],
    v_lead: tuple[int, ...],
    sizes: tuple[int, int, int],
) -> None:
    """Whatever batches the three have that broadcast to one another."""
    lead = lead if lead != (2,) else (2, 3)
    depth, queries, keys = sizes
    shapes = (*lead, depth, queries), (*k_lead, depth, keys), (*v_lead, depth, keys)
    found = prove(Lambda(_attention), TransposeProducts(keys_first), *shapes, sites=1)
    assert found.count("transpose") == (1 if keys_first else 2)


@pytest.mark.parametrize("keys_first", [True, False])
@pytest.mark.parametrize(
    "law",
    [
        lambda m, q, k, v: ((q.permute(0, 1, 3, 2) @ k).softmax(3) @ _turned(v)).permute(0, 1, 3, 2),
        lambda m, q, k, v: ((q.transpose(3, 2) @ k).softmax(-1) @ _turned(v + 1)).transpose(2, 3),
        lambda m, q, k, v: ((_turned(q) @ _turned(_turned(k) + 1)).softmax(-1) @ _turned(v)).transpose(2, 3),
        lambda m, q, k, v: (((t := _turned(q)) @ k).softmax(-1) @ _turned(v)).transpose(2, 3) + t.sum(),
        lambda m, q, k, v: ((_turned(q) @ k).softmax(-1, dtype=q.dtype) @ _turned(v)).transpose(2, 3),
    ],
    ids=["permutations", "values made here", "keys made here", "queries read again", "softmax of a type"],
)
def test_forms(law, keys_first: bool) -> None:
    prove(Lambda(law), TransposeProducts(keys_first), *_SHAPES, sites=1)


def test_self_attention_of_the_map_itself() -> None:
    """softmax(A A) A, transposed: each operand is the other's transpose."""
    law = lambda m, x: _turned((_turned(x) @ x).softmax(-1) @ _turned(x))  # noqa: E731
    prove(Lambda(law), TransposeProducts(), (2, 4, 5), sites=1)


def test_a_wider_softmax_stays_wide() -> None:
    def law(m: Lambda, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        wide = (_turned(q) @ k).softmax(-1, dtype=torch.float64) @ _turned(v).double()
        return _turned(wide).to(q.dtype)

    prove(Lambda(law), TransposeProducts(), *_SHAPES, sites=1)


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "softmax over another axis": lambda m, q, k, v: _turned((_turned(q) @ k).softmax(-2) @ _turned(v)),
    "output not transposed": lambda m, q, k, v: (_turned(q) @ k).softmax(-1) @ _turned(v),
    "output transposed otherwise": lambda m, q, k, v: ((_turned(q) @ k).softmax(-1) @ _turned(v)).transpose(
        1, 2
    ),
    "queries as they lie": lambda m, q, k, v: _turned((q @ _turned(q)).softmax(-1) @ k) + _turned(v),
    "attention read twice": lambda m, q, k, v: (_turned((a := (_turned(q) @ k).softmax(-1)) @ _turned(v)), a),
    "scores read twice": lambda m, q, k, v: (_turned((s := _turned(q) @ k).softmax(-1) @ _turned(v)), s),
    "output read twice": lambda m, q, k, v: (_turned(o := (_turned(q) @ k).softmax(-1) @ _turned(v)), o + 1),
    "a scale between": lambda m, q, k, v: _turned((_turned(q) @ k * 0.5).softmax(-1) @ _turned(v)),
    "a mask between": lambda m, q, k, v: _turned((_turned(q) @ k).softmax(-1).tril() @ _turned(v)),
    "no softmax": lambda m, q, k, v: _turned((_turned(q) @ k).sigmoid() @ _turned(v)),
    "log softmax": lambda m, q, k, v: _turned((_turned(q) @ k).log_softmax(-1) @ _turned(v)),
}


@pytest.mark.parametrize("keys_first", [True, False])
@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str, keys_first: bool) -> None:
    prove(Lambda(_LEFT_ALONE[name]), TransposeProducts(keys_first), *_SHAPES, sites=0)


@pytest.mark.parametrize("keys_first", [True, False])
@pytest.mark.parametrize(
    ("law", "shapes"),
    [
        (lambda m, q, k, v: ((_turned(q) @ k).softmax(-1) @ v).transpose(0, 1), ((2, 4, 9), (2, 4, 5), (5,))),
        (
            lambda m, q, k, v: ((_turned(q) @ k).softmax(-1) @ _turned(v)).transpose(0, 1),
            ((9, 4, 9), (4,), (3, 9)),
        ),
    ],
    ids=["one value per key", "one key"],
)
def test_vectors_are_left_alone(law, shapes: tuple[tuple[int, ...], ...], keys_first: bool) -> None:
    """A product takes them as rows or columns, and they have no transpose."""
    prove(Lambda(law), TransposeProducts(keys_first), *shapes, sites=0)
