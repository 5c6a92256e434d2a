"""How large the partial sums of layers are taken to be."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from proof import Lambda, traced
from torch import nn

from cloformer.export.parity.group import Group, partial_sums
from cloformer.export.parity.sums import lost_to_the_same
from cloformer.export.reference.wide import Call
from cloformer.export.source.trace import Trace


def _sizes(model: nn.Module, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    """Of every layer, on ones and weights of one, without and with a bias as large as the sum."""
    found: Trace = traced(model, *shapes)
    values: dict[torch.fx.Node, object] = {}
    sizes = []
    for node in found.graph_module.graph.nodes:
        if node.op == "placeholder":
            values[node] = torch.ones(node.meta["val"].shape, dtype=torch.float64)
        elif node.op == "get_attr":
            values[node] = found.graph_module.get_parameter(str(node.target)).detach().double()
        elif node.op == "call_function":
            values[node] = Call(node).wide(values)
            size = partial_sums(Call(node), values, values[node])
            assert size is not None and size.shape == node.meta["val"].shape
            sizes.append(size)
    return sizes


_LAYERS: dict[str, tuple[Callable[[bool], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda bias: nn.Linear(4, 5, bias), (3, 4)),
    "of a batch": (lambda bias: nn.Conv2d(4, 5, 1, bias=bias), (2, 4, 3, 6)),
    "without a batch": (lambda bias: nn.Conv2d(4, 5, 1, bias=bias), (4, 3, 6)),
    "transposed": (lambda bias: nn.ConvTranspose1d(4, 5, 1, bias=bias), (2, 4, 3)),
}


@pytest.mark.parametrize("name", _LAYERS)
def test_a_sum_may_begin_with_the_bias(name: str) -> None:
    """Four terms of one: s = 4, or 8 with the bias."""
    make, shape = _LAYERS[name]
    for bias, square in ((False, 4**2 + 4), (True, 8**2 + 4 + 4**2 + 8 * 4)):
        layer = make(bias)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.fill_(1.0 if parameter.ndim > 1 else 4.0)
        (size,) = _sizes(Lambda(lambda m, x: m.layer(x), layer=layer), shape)
        assert torch.allclose(size, torch.full_like(size, square).sqrt())


@pytest.mark.parametrize("outliers", [0, 1, 4])
def test_many_terms_that_are_alike_lose_what_they_may(outliers: int) -> None:
    """One addition after the other in float32, of what stands out first: attention to a few tokens and to many that are alike."""
    random = torch.Generator().manual_seed(outliers)
    found = traced(Lambda(lambda m, a, b: a @ b), (1, 196), (196, 500))
    weights = torch.full((1, 196), 1 / 196)
    values = (torch.rand(1, 500, generator=random) + 0.1).repeat(196, 1)
    values[:outliers] = 196 / 4 * torch.rand(outliers, 500, generator=random)
    *leaves, product = [node for node in found.graph_module.graph.nodes if node.op != "output"]
    given = dict(zip(leaves, (weights.double(), values.double()), strict=True))
    total = torch.zeros(1, 500)
    for place in range(196):
        total = total + weights[:, place, None] * values[place]
    error = float((total.double() - given[leaves[0]] @ given[leaves[1]]).abs().max())
    group = Group(torch.float32, (product,), given)
    assert error <= 2**-24 * (lost_to_the_same(group) + 2 * math.sqrt(196) * float(total.max()))
    assert error > 0.1 * 2**-24 * lost_to_the_same(group)
