"""Where a precision loses: shares of the outputs' noise, held to what each layer's rounding costs alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cloformer.export.parity.operator_costs import operator_costs
from cloformer.export.passes import apply_passes
from cloformer.export.passes.compress_weights import CompressWeights
from cloformer.export.passes.quantize_layers import QuantizeLayers, quantizable, values_of
from cloformer.export.passes.rewriter import Rewriter
from cloformer.export.reference.replay import Replay
from cloformer.export.source.quantization import Quantization, Steps
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.trace import Trace, trace

SIZE = (1, 3, 8, 8)


class Straight(nn.Module):
    """Layers in a row: an output of ``classes`` numbers, linear in the image."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv2d(3, 40, 3)
        self.second = nn.Conv2d(40, 64, 3, stride=3)
        self.head = nn.Linear(256, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.second(self.first(image)).flatten(1))


def traced(model: nn.Module) -> Trace:
    return trace(model.eval(), [TensorSpec("image", SIZE)])


def images(number: int = 2) -> list[dict[str, np.ndarray]]:
    drawn = np.random.default_rng(0)
    return [{"image": drawn.standard_normal(SIZE).astype(np.float32)} for _ in range(number)]


def noise(before: Trace, after: Trace) -> float:
    """Of the output, as a power ratio, summed over the images."""
    total = 0.0
    for inputs in images():
        want = before.graph_module(torch.from_numpy(inputs["image"]))[0].double()
        total += float(
            (after.graph_module(torch.from_numpy(inputs["image"]))[0] - want).square().sum()
            / want.square().sum()
        )
    return total


def weights_in_8_bits(graph: Trace, *in_float: str) -> Trace:
    return apply_passes(graph, [CompressWeights("int8", "channel", "float32", in_float)])[0]


def everything_in_8_bits(graph: Trace, *in_float: str) -> Trace:
    steps = {}
    for layer in quantizable(Rewriter(graph.graph_module)):
        steps |= {value.name: Steps.of(-4.0, 4.0, "float32") for value in values_of(layer)}
    return apply_passes(graph, [QuantizeLayers(Quantization(steps, in_float), "float32")])[0]


def test_each_share_is_what_the_layers_weights_cost_alone() -> None:
    before = traced(Straight())
    names = [layer.node.name for layer in quantizable(Rewriter(before.graph_module))]
    found = operator_costs(Replay(before), Replay(weights_in_8_bits(before)), images())
    alone = {
        name: noise(before, weights_in_8_bits(before, *(other for other in names if other != name)))
        for name in names
    }
    shares = {item.node: item.share for item in found}
    assert shares == pytest.approx(
        {name: value / sum(alone.values()) for name, value in alone.items()}, rel=1e-3
    )
    assert [item.share for item in found] == sorted(shares.values(), reverse=True)
    assert {item.module for item in found} == {"first", "second", "head"}


def test_of_many_outputs_shares_are_drawn_and_near() -> None:
    before = traced(Straight(classes=400))
    names = [layer.node.name for layer in quantizable(Rewriter(before.graph_module))]
    found = operator_costs(Replay(before), Replay(weights_in_8_bits(before)), images(4))
    alone = [
        noise(before, weights_in_8_bits(before, *(other for other in names if other != name)))
        for name in names
    ]
    shares = {item.node: item.share for item in found}
    assert shares == pytest.approx(
        {name: value / sum(alone) for name, value in zip(names, alone, strict=True)}, abs=0.15
    )


def test_a_rounded_value_is_its_operators_and_decibels_are_of_all_that_was_lost_before() -> None:
    before = traced(Straight())
    after = everything_in_8_bits(before)
    found = {item.node: item for item in operator_costs(Replay(before), Replay(after), images())}
    nodes = [
        node.name for node in before.graph_module.graph.nodes if node.op in ("placeholder", "call_function")
    ]
    assert set(found) == {name for name in nodes if "detach" not in name}
    assert found[nodes[0]].operator == "input"
    assert sum(item.share or 0.0 for item in found.values()) == pytest.approx(1)
    image, first = found[nodes[0]], found[nodes[1]]
    assert first.snr_db < image.snr_db  # what is lost at the image is lost there, too


class Place(nn.Module):
    def __init__(self, give: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.give = nn.Conv2d(3, 64, 3), give

    def forward(self, image: Tensor) -> Tensor:
        return self.give(self.layer(image))


def test_outputs_without_a_derivative_give_decibels_and_no_shares() -> None:
    before = traced(Place(lambda value: value.argmax(1)))
    (found,) = operator_costs(Replay(before), Replay(weights_in_8_bits(before)), images())
    assert found.share is None and 30 < found.snr_db < 60


def test_nothing_is_lost_where_nothing_is_rounded() -> None:
    before = traced(Straight())
    assert operator_costs(Replay(before), Replay(before), images()) == []
