from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import Tensor

from cloformer.export.passes.cancel_transposes import CancelTransposes


@settings(max_examples=10, deadline=None, derandomize=True)
@given(rank=st.integers(2, 5), length=st.integers(2, 4), order=st.randoms(use_true_random=False))
def test_law(rank: int, length: int, order: random.Random) -> None:
    """A chain of permutations is one permutation, or none."""
    chain = [order.sample(range(rank), rank) for _ in range(length)]
    composed, sites, permuted = list(range(rank)), 0, False
    for axes in chain:
        composed = [composed[axis] for axis in axes]
        sites += permuted
        permuted = not permuted or composed != sorted(composed)  # what came out is a permutation again

    def law(_: Lambda, x: Tensor) -> Tensor:
        for axes in chain:
            x = x.permute(axes)
        return torch.tanh(x)

    found = prove(Lambda(law), CancelTransposes(), [2, 3, 4, 5, 6][:rank], sites=sites)
    assert found == (["permute", "tanh"] if permuted else ["tanh"])


@pytest.mark.parametrize(
    ("law", "left"),
    [
        (lambda m, x: x.transpose(1, 2).transpose(1, 2) + 1, ["add"]),
        (lambda m, x: x.transpose(-1, -2).transpose(1, 2) + 1, ["add"]),
        (lambda m, x: x.transpose(0, 1).transpose(1, 2) + 1, ["permute", "add"]),
        (lambda m, x: x.permute(2, 0, 1).permute(-2, -1, -3) + 1, ["add"]),
        (lambda m, x: x.transpose(1, 1).transpose(0, 0) + 1, ["add"]),
        (lambda m, x: x.transpose(0, 1).transpose(0, 1), []),
        (lambda m, x: (y := x.transpose(0, 1)).transpose(0, 1) + y.sum(), ["transpose", "sum", "add"]),
    ],
    ids=[
        "undone",
        "undone, negative axes",
        "composed",
        "permutations",
        "nothing",
        "returned",
        "inner read again",
    ],
)
def test_forms(law, left: list[str]) -> None:
    assert sorted(prove(Lambda(law), CancelTransposes(), (2, 3, 4), sites=1)) == sorted(left)


@pytest.mark.parametrize(
    "law",
    [
        lambda m, x: x.transpose(1, 2) + 1,
        lambda m, x: torch.relu(x.transpose(1, 2)).transpose(1, 2),
        lambda m, x: x.transpose(1, 2).reshape(2, 3, 4).transpose(1, 2),
        lambda m, x: x.sum().transpose(0, 0).transpose(-1, -1),
    ],
    ids=["one", "something between", "a reshape between", "no axes"],
)
def test_left_alone(law) -> None:
    prove(Lambda(law), CancelTransposes(), (2, 3, 4), sites=0)
