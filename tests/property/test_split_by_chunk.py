from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import prove
from torch import Tensor, nn

from cloformer.export.passes import CancelTransposes, RemoveIdentities, SplitByChunk


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
    swap=st.booleans(),
    select=st.booleans(),
)
def test_law(axis: int, count: int, rest: tuple[int, ...], swap: bool, select: bool) -> None:
    shape = [2, 3, 5]
    shape[axis] = count * rest[0] * (rest[1] if len(rest) > 1 else 1)
    dims = list(range(len(rest) + len(shape) - axis - 1))
    tail = tuple(reversed(dims)) if swap else tuple(dims)
    found = prove(Unpack(axis, count, rest, tail, select), SplitByChunk(), shape, sites=1)
    assert "chunk" in found
    assert not {"unbind", "select"} & set(found)


def test_as_the_reference_does_it() -> None:
    """Rank five in, rank four out, nothing else left."""

    class Published(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            b, _, h, w = x.shape
            q, k, v = x.reshape(b, 3, -1, h, w).transpose(0, 1).contiguous()
            return torch.tanh(q * k) * v

    found = prove(Published(), [RemoveIdentities(), SplitByChunk()], (2, 12, 5, 4), sites=2)
    assert sorted(set(found)) == ["chunk", "getitem", "mul", "tanh"]


def test_transposes_cancel() -> None:
    class Keys(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            b, _, h, w = x.shape
            k, v = x.view(b, 2, 2, -1, h * w).permute(1, 0, 2, 4, 3).contiguous()
            return k.transpose(-1, -2) * v.transpose(-1, -2)

    passes = [RemoveIdentities(), SplitByChunk(), CancelTransposes()]
    found = prove(Keys(), passes, (2, 12, 3, 2), sites=4)
    assert not {"permute", "transpose"} & set(found)


class ReadWhole(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = x.reshape(2, 3, 4, 5).permute(1, 0, 2, 3)
        return y.unbind(0)[0] * 2, y.sum(0)


class Trailing(nn.Module):
    """The count comes last: pieces are strided, not blocks."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, 4, 3, 5).permute(2, 0, 1, 3).unbind(0)[1] * 2


class UnboundElsewhere(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, 3, 4, 5).permute(1, 0, 2, 3).unbind(1)[1] * 2


@pytest.mark.parametrize(
    "model", [ReadWhole(), Trailing(), UnboundElsewhere()], ids=lambda m: type(m).__name__
)
def test_left_alone(model: nn.Module) -> None:
    prove(model, SplitByChunk(), (2, 12, 5), sites=0)
