"""How large the partial sums of layers are taken to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from proof import Lambda, traced
from torch import nn

from cloformer.export.parity.group import partial_sums
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
