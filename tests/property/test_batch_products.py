from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import Tensor

from cloformer.export.passes.batch_products import BatchProducts


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    batch=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4)),
)
def test_law(batch: list[int], sizes: tuple[int, int, int]) -> None:
    rows, inner, columns = sizes
    shapes = (*batch, rows, inner), (*batch, inner, columns)
    found = prove(Lambda(lambda _, a, b: a @ b), BatchProducts(), *shapes, sites=1)
    assert found.count("bmm") == 1 and "matmul" not in found


def test_factors_that_lie_otherwise_in_memory() -> None:
    law = lambda _, a, b: a.transpose(-1, -2) @ b.permute(1, 0, 2, 3)  # noqa: E731
    prove(Lambda(law), BatchProducts(), (2, 3, 4, 5), (3, 2, 4, 6), sites=1)


@pytest.mark.parametrize(
    ("law", "shapes"),
    [
        (lambda _, a, b: a @ b, [(2, 1, 4, 5), (1, 3, 5, 6)]),
        (lambda _, a, b: a @ b, [(1, 3, 4, 5), (3, 5, 6)]),
        (lambda _, a, b: a @ b, [(2, 3, 4, 5), (5, 6)]),
        (lambda _, a, b: a @ b, [(4, 5), (5, 6)]),
        (lambda _, a, b: a @ b, [(2, 3, 4, 5), (5,)]),
    ],
    ids=["batches that are repeated", "fewer axes", "one matrix for all", "single matrices", "a vector"],
)
def test_what_is_left_alone(
    law: Callable[[object, Tensor, Tensor], Tensor], shapes: list[tuple[int, ...]]
) -> None:
    prove(Lambda(law), BatchProducts(), *shapes, sites=0)
