from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, prove, rewritten, traced
from torch import Tensor, nn

from cloformer.export.passes.write_out_for_litert import WriteOutForLitert


def _filled(x: Tensor, value: float | Tensor) -> Tensor:
    """``y[y < 0] = value`` as it is traced up to torch 2.14; later ones make a ``masked_fill`` of a number."""
    y = x * 2
    return y.index_put((y < 0,), torch.as_tensor(value, dtype=x.dtype))


_AT = torch.tensor([2, 0, 2])


def _places(x: Tensor) -> Tensor:
    """Along any axis, some of them more than once."""
    return (x.abs() * 7).long() % 3


_EDGES = torch.linspace(-1, 1, 9)


def _odd(x: Tensor) -> Tensor:
    return (99 * x).long() * 2 + 1


_LAWS: dict[str, tuple[Callable[[Tensor], object], int]] = {
    "where the largest whole number is": (lambda x: (4 * x).long().argmax(1), 1),
    "and the least": (lambda x: (4 * x).long().argmin(-1, keepdim=True), 1),
    "numbers by a mask": (lambda x: _filled(x, 0.5), 1),
    "a variance": (lambda x: x.var(1) + x.var((0, 2), correction=0)[1], 2),
    "a deviation": (lambda x: x.std(-1, keepdim=True) + x.std(), 2),
    "of one number": (lambda x: x[:1].var(0, correction=0), 1),
    "of none": (lambda x: x[:1].var(0).nan_to_num(2.0), 0),
    "scaled sums": (
        lambda x: (
            torch.add(x, x.exp(), alpha=2) + torch.sub(x, 3 * x, alpha=0.5) + torch.rsub(x, x.exp(), alpha=2)
        ),
        3,
    ),
    "windows that are added up": (lambda x: F.fold(x.repeat(1, 3, 1), (2, 6), 2), 1),
    "a running product": (lambda x: x.cumprod(-1), 1),
    "magnitudes": (lambda x: (x * 3).long().abs(), 1),
    "of numbers": (lambda x: x.abs(), 0),
    "the largest of parts": (lambda x: F.adaptive_max_pool1d(x, 5) + F.adaptive_max_pool1d(x, 2)[..., :1], 2),
    "classes": (lambda x: F.one_hot((x * 3).long().clamp(min=0), 20), 1),
    "rows added at an index": (
        lambda x: x.index_add(1, _AT, 2 * x[:, :3], alpha=0.5) + x.index_add(-1, _AT, x[..., :3]),
        2,
    ),
    "whole rows": (lambda x: (9 * x).long().index_add(1, _AT, (9 * x).long()[:, :3], alpha=2), 1),
    "rows put and added": (lambda x: torch.ops.aten.index_put(x, [None, _AT - 4], x[:, :3].exp(), True), 1),
    "one number at many places": (lambda x: x.index_put((_AT,), x[0, 0, 0].exp(), accumulate=True), 1),
    "added at places": (lambda x: x.scatter_add(1, _places(x)[:, :3], x.exp()), 1),
    "at fewer places": (lambda x: x.scatter_add(2, _places(x)[:2, :, :3], x.exp()), 1),
    "whole numbers at places": (lambda x: (9 * x).long().scatter_add(1, _places(x), (9 * x).long()), 1),
    "the largest at places": (lambda x: x.scatter_reduce(1, _places(x)[:, :3], x.exp(), "amax"), 1),
    "the least, without what was there": (
        lambda x: x.scatter_reduce(2, _places(x)[..., :2], x.exp(), "amin", include_self=False),
        1,
    ),
    "sums of what is reduced": (lambda x: x.scatter_reduce(1, _places(x), x.exp(), "sum"), 1),
    "means": (lambda x: x.scatter_reduce(1, _places(x), x.exp(), "mean"), 0),
    "sorted": (lambda x: [*x.sort(1), *x.sort(dim=-1, descending=True, stable=True)], 2),
    "in order": (lambda x: [x.argsort(1), (9 * x).long().argsort(dim=0, descending=True, stable=True)], 2),
    "the second, and those in the middle": (
        lambda x: [*x.kthvalue(2, 1), *x.median(-1, keepdim=True), x.median()],
        3,
    ),
    "the largest alone": (lambda x: x.topk(2, 1).values + x.topk(2, 1, largest=False).values, 2),
    "the largest with their places": (lambda x: x.topk(2, 1), 0),
    "of all": (lambda x: (4 * x).long().argmax(), 0),
    "of floats": (lambda x: x.argmax(1), 0),
    "of 32 bits": (lambda x: [(4 * x).int().argmax(1), (9 * x).int().sign(), (9 * x).int() ^ 5], 0),
    "what division leaves": (lambda x: [_odd(x).fmod(7), torch.fmod(_odd(x), _odd(x.flip(0)))], 2),
    "of numbers it leaves": (lambda x: [x.fmod(0.3), _odd(x).fmod(2.5)], 0),
    "signs": (lambda x: (4 * x).long().sign(), 1),
    "bits": (lambda x: [_odd(x) & 12, _odd(x) | 12, _odd(x) ^ -12], 3),
    "shifts": (lambda x: [_odd(x) >> 2, _odd(x) << 3], 2),
    "between which they are": (
        lambda x: [torch.bucketize(x, _EDGES), torch.searchsorted(_EDGES, x, right=True)],
        2,
    ),
}


@pytest.mark.parametrize("name", _LAWS)
def test_law(name: str) -> None:
    law, sites = _LAWS[name]
    prove(Lambda(lambda _, x: law(x)), WriteOutForLitert(), (3, 4, 5), sites=sites)


def test_the_first_of_equals() -> None:
    same = torch.tensor([[1, 3, 3], [2, 2, 2], [-(2**62), 2**62, 2**62 - 1]])
    prove(
        Lambda(lambda m, x: m.same.argmax(1) + m.same.argmin(1) + x.long(), same=same),
        WriteOutForLitert(),
        (3,),
        sites=2,
    )


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "ceil_mode"),
    [
        ((6, 8), 2, None, 0, 1, False),
        ((7, 6), 3, 2, 1, 1, False),
        ((7, 6), (3, 2), (2, 1), (1, 0), (1, 2), False),
        ((6, 6), 3, 2, 0, 1, True),
        ((5, 5), 2, 2, 1, 1, True),
    ],
    ids=["side by side", "with borders", "with gaps", "over the edge", "over the edge with borders"],
)
def test_where_the_largest_are(
    size: tuple[int, int], kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> None:
    pool = nn.MaxPool2d(kernel, stride, padding, dilation, return_indices=True, ceil_mode=ceil_mode)
    found = prove(Lambda(lambda m, x: m.pool(x), pool=pool), WriteOutForLitert(), (2, 3, *size), sites=1)
    assert "max_pool2d_with_indices" not in found


def test_the_first_of_equals_in_a_window_and_what_is_no_number() -> None:
    x = torch.tensor([[1.0, 1.0, 0.0, float("nan")], [1.0, 1.0, float("nan"), 2.0]]).reshape(1, 1, 2, 4)
    model = Lambda(lambda _, x: F.max_pool2d(x, 2, return_indices=True))
    after, _ = rewritten(traced(model, x.shape), WriteOutForLitert())
    values, places = after.graph_module(x)
    wanted, where = model(x)
    assert torch.equal(places, where) and torch.equal(values.isnan(), wanted.isnan())


def test_where_all_is_minus_infinity() -> None:
    x = torch.full((1, 1, 5, 5), float("-inf"))
    model = Lambda(lambda _, x: F.max_pool2d(x, 3, 2, 1, return_indices=True))
    after, _ = rewritten(traced(model, x.shape), WriteOutForLitert())
    assert torch.equal(after.graph_module(x)[1], model(x)[1])


def test_what_was_there_is_put_back() -> None:
    def law(m: nn.Module, x: Tensor) -> Tensor:
        values, places = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(values, places, 2, output_size=(7, 6))

    found = prove(Lambda(law), WriteOutForLitert(), (2, 3, 7, 6), sites=2)
    assert "max_unpool2d" not in found
