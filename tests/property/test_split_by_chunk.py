from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import Lambda, prove
from torch import Tensor, nn

from cloformer.export.passes.cancel_transposes import CancelTransposes
from cloformer.export.passes.remove_identities import RemoveIdentities
from cloformer.export.passes.split_by_chunk import SplitByChunk


class Unpack(nn.Module):
    """A reshape that splits axis ``axis`` into (count, *rest), the count to the front, unbind."""

    def __init__(
        self, axis: int, count: int, rest: tuple[int, ...], tail: tuple[int, ...], select: bool
    ) -> None:
        super().__init__()
        self.axis, self.count, self.rest, self.tail, self.select = axis, count, rest, tail, select

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        head = x.shape[: self.axis]
        y = x.reshape(*head, self.count, *self.rest, *x.shape[self.axis + 1 :])
        order = [self.axis, *range(self.axis), *(self.axis + 1 + dim for dim in self.tail)]
        y = y.permute(order).contiguous()
        pieces = [y[index] for index in range(self.count)] if self.select else y.unbind(0)
        return tuple(piece * (index + 1) for index, piece in enumerate(pieces))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    axis=st.integers(0, 2),
    count=st.integers(2, 4),
    rest=st.sampled_from([(2,), (2, 3), (1, 4)]),
    order=st.randoms(use_true_random=False),
    select=st.booleans(),
)
def test_law(axis: int, count: int, rest: tuple[int, ...], order, select: bool) -> None:
    shape = [2, 3, 5]
    shape[axis] = count * rest[0] * (rest[1] if len(rest) > 1 else 1)
    tail = list(range(len(rest) + len(shape) - axis - 1))
    order.shuffle(tail)
    found = prove(Unpack(axis, count, rest, tuple(tail), select), SplitByChunk(), shape, sites=1)
    assert "chunk" in found
    assert not {"unbind", "select"} & set(found)


def test_as_the_reference_does_it() -> None:
    """Rank five in, rank four out, nothing else left."""

    def law(_: Lambda, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        q, k, v = x.reshape(b, 3, -1, h, w).transpose(0, 1).contiguous()
        return torch.tanh(q * k) * v

    found = prove(Lambda(law), [RemoveIdentities(), SplitByChunk()], (2, 12, 5, 4), sites=2)
    assert sorted(set(found)) == ["chunk", "getitem", "mul", "tanh"]


def test_transposes_cancel() -> None:
    def law(_: Lambda, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        k, v = x.view(b, 2, 2, -1, h * w).permute(1, 0, 2, 4, 3).contiguous()
        return k.transpose(-1, -2) * v.transpose(-1, -2)

    passes = [RemoveIdentities(), SplitByChunk(), CancelTransposes()]
    found = prove(Lambda(law), passes, (2, 12, 3, 2), sites=4)
    assert not {"permute", "transpose"} & set(found)


def _thirds(x: Tensor) -> Tensor:
    """(2, 12, 5) as (3, 2, 4, 5)."""
    return x.reshape(2, 3, 4, 5).permute(1, 0, 2, 3)


@pytest.mark.parametrize(
    ("law", "sites"),
    [
        (lambda m, x: _thirds(x).unbind(0)[1] * 2, 1),
        (lambda m, x: _thirds(x)[-1] * 2, 1),
        (lambda m, x: (t := _thirds(x).clone())[0] * t[-1] + t[2], 1),
        (lambda m, x: _thirds(x)[-1] * _thirds(x).contiguous()[2], 2),
        (lambda m, x: (t := _thirds(x))[0][0] * t[0][1] + t[1].select(0, 1), 1),
        (lambda m, x: x.reshape(2, 3, 4, 5).permute(-3, 0, -1, -2).unbind()[1] * 2, 1),
        (lambda m, x: x.view(2, 12, 1, 5).view(2, 4, 3, 5).transpose(1, -4).unbind()[3] * 2, 1),
        (lambda m, x: x.reshape(2, 1, 12, 5).transpose(0, 1)[0] * 2, 1),
    ],
    ids=[
        "one piece", "the last piece", "a piece twice", "two of them", "pieces of pieces", "negative axes",
        "another count", "one piece in all",
    ],
)  # fmt: skip
def test_forms(law, sites: int) -> None:
    found = prove(Lambda(law), SplitByChunk(), (2, 12, 5), sites=sites)
    assert found.count("chunk") == sites
    assert "unbind" not in found


def test_samples_are_blocks_too() -> None:
    """The count of the first axis is already in front; then the batch is what is taken apart."""
    law = lambda m, x: torch.add(*x.reshape(2, 3, 4, 5).permute(0, 2, 1, 3).unbind(0))  # noqa: E731
    assert "chunk" in prove(Lambda(law), SplitByChunk(), (2, 12, 5), sites=1)


@pytest.mark.parametrize(
    ("shape", "order", "sites"),
    [((2, 12, 5), (1, 0, 2, 3), 1), ((2, 5, 12), (2, 0, 1, 3), 0), ((12,), (0, 1), 0)],
)
def test_without_the_last_axis(shape: tuple[int, ...], order: tuple[int, ...], sites: int) -> None:
    axis = shape.index(12)
    apart = (*shape[:axis], 3, 4, *shape[axis + 1 :])
    law = lambda m, x: torch.add(*x.reshape(apart).permute(order).unbind(0)[:2])  # noqa: E731
    prove(Lambda(law), SplitByChunk(), shape, sites=1)
    found = prove(Lambda(law), SplitByChunk(last_axis=False), shape, sites=sites)
    assert ("chunk" in found) == bool(sites)


_LEFT_ALONE: dict[str, Callable[..., object]] = {
    "read whole": lambda m, x: ((t := _thirds(x)).unbind(0)[0] * 2, t.sum(0)),
    "read whole before": lambda m, x: ((t := x.reshape(2, 3, 4, 5)).permute(1, 0, 2, 3).unbind(0)[0], t * 2),
    "returned whole": lambda m, x: ((t := _thirds(x))[0] * 2, t),
    "strided pieces": lambda m, x: x.reshape(2, 4, 3, 5).permute(2, 0, 1, 3).unbind(0)[1] * 2,
    "pieces across the axis after": lambda m, x: x.reshape(2, 3, 20).permute(2, 0, 1).unbind(0)[7] * 2,
    "unbound elsewhere": lambda m, x: _thirds(x).unbind(1)[1] * 2,
    "selected elsewhere": lambda m, x: _thirds(x).select(2, 1) * 2,
    "a slice": lambda m, x: _thirds(x)[:2] * 2,
    "an activation between": lambda m, x: (t := torch.relu(_thirds(x)))[0] - t[1],
    "an activation before unbind": lambda m, x: torch.sub(*torch.relu(_thirds(x)).unbind(0)[:2]),
    "a scale between": lambda m, x: (t := _thirds(x) * m.scale)[0] - t[1],
    "a batch of the pieces": lambda m, x: (t := _thirds(x).flatten(0, 1))[0] - t[1],
    "no permutation": lambda m, x: x.reshape(2, 3, 4, 5).unbind(1)[1] * 2,
    "no reshape": lambda m, x: x.permute(1, 0, 2).unbind(0)[1] * 2,
    "two axes of one size": lambda m, x: x.reshape(2, 4, 3, 5).transpose(1, 2).permute(1, 0, 2, 3)[0] * 2,
}


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    prove(Lambda(_LEFT_ALONE[name], scale=torch.rand(5)), SplitByChunk(), (2, 12, 5), sites=0)
