from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, prove, rewritten, traced
from torch import Tensor, nn

from cloformer.export.passes.products_at_rank_4 import ProductsAtRank4
from cloformer.export.passes.remove_identities import RemoveIdentities

Law = Callable[..., Tensor]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_layers_over_rows_with_the_activations_behind_them(rows: int, bias: bool) -> None:
    """The reshapes between them cancel: they stand at the ends."""
    network = Lambda(
        lambda s, x: F.gelu(s.b(F.hardswish(s.a(x)))),
        a=nn.Linear(8, 16, bias=bias),
        b=nn.Linear(16, 5, bias=bias),
    )
    found = prove(network, ProductsAtRank4(), (rows, 8), sites=2)
    assert found == ["reshape", "conv2d", "hardswish", "conv2d", "gelu", "reshape"]


def test_a_layer_reads_the_pixels_that_a_pooling_gives() -> None:
    network = Lambda(lambda s, x: s.a(F.adaptive_avg_pool2d(x, 1).flatten(1)).relu(), a=nn.Linear(3, 5))
    found = prove(network, [RemoveIdentities(), ProductsAtRank4()], (2, 3, 4, 6), sites=1)
    assert found == ["adaptive_avg_pool2d", "conv2d", "relu", "reshape"]


@pytest.mark.parametrize(
    ("law", "shape", "sites", "kept"),
    [
        (lambda _, x: (x @ x.transpose(1, 2) * 0.3).softmax(-1) @ x, (2, 5, 4), 2, "softmax"),
        (lambda _, x: torch.bmm(x, x.transpose(1, 2)).softmax(1) @ x, (2, 5, 4), 2, "softmax"),
        (lambda s, x: (x @ x.transpose(1, 2) + s.mask).softmax(-1) @ x, (2, 5, 4), 2, "softmax"),
        (lambda s, x: torch.relu(x @ s.weight), (3, 4), 1, "conv2d"),
        (lambda _, x: torch.mm(x, x.T).sigmoid(), (3, 4), 1, "matmul"),
        (lambda _, x: F.scaled_dot_product_attention(x, x, x), (2, 5, 4), 1, "scaled_dot_product_attention"),
        (lambda s, x: F.scaled_dot_product_attention(x, x, x, s.mask, scale=0.2), (2, 5, 4), 1, "scaled_dot_product_attention"),
        (lambda _, x: F.scaled_dot_product_attention(x, x, x, is_causal=True), (2, 5, 4), 1, "scaled_dot_product_attention"),
    ],
    ids=["scaled", "bmm, over columns", "masked", "by a matrix", "of two matrices", "fused", "fused, masked", "fused, causal"],
)  # fmt: skip
def test_products(law: Law, shape: tuple[int, ...], sites: int, kept: str) -> None:
    drawn = torch.Generator().manual_seed(1)
    parts = {"mask": torch.randn(5, 5, generator=drawn), "weight": torch.randn(4, 6, generator=drawn)}
    network = Lambda(law, **parts)
    assert kept in prove(network, ProductsAtRank4(), shape, sites=sites)
    after, _ = rewritten(traced(network, shape), ProductsAtRank4())
    names = ("matmul", "bmm", "mm", "conv2d", "scaled_dot_product_attention", "softmax")
    ranks = [
        node.meta["val"].ndim
        for node in after.graph_module.graph.nodes
        if node.op == "call_function" and str(node.target).split(".")[1] in names
    ]
    assert set(ranks) == {4}


def test_what_reads_a_product_twice_keeps_its_axes() -> None:
    found = prove(
        Lambda(lambda s, x: s.a(x) * s.a(x).sigmoid(), a=nn.Linear(4, 3)), ProductsAtRank4(), (2, 4), sites=2
    )
    assert found.count("conv2d") == 2


def test_as_many_multiply_adds() -> None:
    network = Lambda(lambda s, x: F.relu(s.a(x)) @ s.b(x).T, a=nn.Linear(8, 16), b=nn.Linear(8, 16))
    _, (applied,) = rewritten(traced(network, (3, 8)), ProductsAtRank4())
    assert (len(applied.sites), applied.added_multiply_adds) == (3, 0)


@pytest.mark.parametrize(
    ("law", "shapes"),
    [
        (lambda s, x: s.a(x), [(2, 3, 8)]),
        (lambda _, a, b: a @ b, [(2, 3, 4, 5), (2, 3, 5, 6)]),
        (lambda _, a, b: a @ b, [(2, 4, 5), (5, 6)]),
        (lambda _, a, b: a @ b, [(4, 5), (5,)]),
        (lambda _, a, b: F.linear(a, b), [(4, 5), (6, 5)]),
        (lambda _, x: F.scaled_dot_product_attention(x, x, x), [(1, 2, 5, 4)]),
    ],
    ids=["tokens", "four axes", "one matrix for all", "a vector", "a weight that is computed", "heads"],
)
def test_left_alone(law: Law, shapes: list[tuple[int, ...]]) -> None:
    prove(Lambda(law, a=nn.Linear(8, 3)), ProductsAtRank4(), *shapes, sites=0)
