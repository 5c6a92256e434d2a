from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, prove, rewritten, traced
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from cloformer.export.passes.lower_ranks import LowerRanks

Law = Callable[[Lambda, Tensor], object]


def _windows(_: Lambda, x: Tensor) -> Tensor:
    """Attention in windows, its heads and what it is made of taken apart at once."""
    q, k, v = x.reshape(1, 2, 3, 4, 3, 8).permute(4, 0, 1, 3, 2, 5).unbind(0)
    return F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(1, 2, 3, 32)


def _relative(_: Lambda, x: Tensor) -> Tensor:
    scores = x.view(1, 2, 3, 4, 6, 4)
    rows, columns = scores.sum(-1, keepdim=True), scores.amax(4).unsqueeze(-2)
    return (scores + 0.5 * rows + columns).view(1, 2, 12, 24).softmax(-1)


def _involution(_: Lambda, x: Tensor) -> Tensor:
    weights, values = x.view(1, 2, 9, 8, 4)[:, :, None], x.flip(-1).view(1, 2, 1, 9, 8, 4)
    return (weights * values.expand(1, 2, 3, 9, 8, 4)).sum(3)


def _joined(_: Lambda, x: Tensor) -> Tensor:
    y = x.view(1, 2, 3, 1, 24, 4)
    both = torch.cat([y, y.tanh()], 1)
    return torch.stack([both, both.roll(1, 4)], 0).select(0, 1)[..., 1:3].mean((2, 3)).squeeze(0)


def _layers(module: Lambda, x: Tensor) -> Tensor:
    y = x.view(1, 2, 3, 4, 6, 4)
    y = F.layer_norm(F.linear(y, module.weight, module.bias), (6, 4))
    first, second = torch.where(y > 0, y, 0.1 * y).split(3, 4)
    return (first @ second.transpose(-1, -2)).flatten(2)


@pytest.mark.parametrize(
    ("law", "sites"), [(_windows, 3), (_relative, 2), (_involution, 1), (_joined, 1), (_layers, 1)]
)
def test_law(law: Law, sites: int) -> None:
    """Nothing with more than five axes is left, and a site is where what had more has few enough again."""
    given = Lambda(law, weight=torch.randn(4, 4), bias=torch.randn(4))
    prove(given, LowerRanks(5), (1, 576), sites=sites)
    after, _ = rewritten(traced(given, (1, 576)), LowerRanks(5))
    assert _most_axes(after.graph_module.graph) <= 5


@pytest.mark.parametrize(
    "law",
    [
        lambda _, x: (x.view(2, 2, 3, 4, 2, 6) * 2).flatten(1),  # no axis of one
        lambda _, x: x.view(1, 6, 4, 4, 6).sum(0).flatten(1),
        lambda _, x: torch.linalg.vector_norm(x.view(1, 2, 3, 4, 4, 6)).view(1),  # of all axes
    ],
    ids=["all are needed", "five at most", "of all axes"],
)
def test_left_alone(law: Law) -> None:
    prove(Lambda(law), LowerRanks(5), (1, 576), sites=0)


def test_an_axis_of_one_that_is_needed_stays() -> None:
    """It is summed over; another one can be left out."""
    prove(Lambda(lambda _, x: x.view(1, 1, 6, 4, 4, 6).sum(1).flatten(1)), LowerRanks(5), (1, 576), sites=1)


def _most_axes(graph: fx.Graph) -> int:
    values = pytree.tree_leaves([node.meta.get("val") for node in graph.nodes])
    return max(item.ndim for item in values if isinstance(item, Tensor))
