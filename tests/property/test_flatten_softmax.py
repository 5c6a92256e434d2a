from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import Tensor

from cloformer.export.passes.batch_products import BatchProducts
from cloformer.export.passes.flatten_softmax import FlattenSoftmax
from cloformer.export.passes.remove_identities import RemoveIdentities


@settings(max_examples=6, deadline=None, derandomize=True)
@given(shape=st.lists(st.integers(1, 4), min_size=4, max_size=4), last=st.sampled_from([-1, 3]))
def test_law(shape: list[int], last: int) -> None:
    found = prove(Lambda(lambda _, x: x.softmax(last)), FlattenSoftmax(), shape, sites=1)
    assert found.count("reshape") + found.count("view") == 2


def test_between_products_nothing_is_reshaped_but_what_they_read() -> None:
    model = Lambda(lambda _, q, k, v: (q @ k).softmax(-1) @ v)
    shapes = (2, 3, 4, 5), (2, 3, 5, 4), (2, 3, 4, 5)
    found = prove(model, [FlattenSoftmax(), BatchProducts(), RemoveIdentities()], *shapes, sites=5)
    first, second = (place for place, name in enumerate(found) if name == "bmm")
    assert found[first + 1 : second].count("softmax") == 1
    assert found.count("view") + found.count("reshape") == 4, found


@pytest.mark.parametrize(
    ("law", "shape"),
    [
        (lambda x: x.softmax(1), (2, 3, 4, 5)),
        (lambda x: x.softmax(-1), (2, 3, 4)),
        (lambda x: x.log_softmax(-1), (2, 3, 4, 5)),
    ],
    ids=["another axis", "three axes", "another function"],
)
def test_left_alone(law: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> None:
    prove(Lambda(lambda _, x: law(x)), FlattenSoftmax(), shape, sites=0)
