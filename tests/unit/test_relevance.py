"""Relevance through whole networks: conserved wherever everything passes through one value, and a ranking of their layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from proof import Lambda, traced
from reference_weights import fill
from torch import Tensor, fx, nn

from cloformer.errors import UnsupportedError
from cloformer.export.calibration.relevance import Propagated, propagated, relevances
from cloformer.export.passes.quantize_layers import quantizable
from cloformer.export.passes.rewriter import Rewriter
from cloformer.export.source.resolve import SourceRequest, resolve
from cloformer.export.source.trace import trace


class Block(nn.Module):
    """Softmax attention of two heads, then a perceptron, each behind a layer norm and beside what it reads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x_BNC: Tensor) -> Tensor:
        batch, patches, width = x_BNC.shape
        q, k, v = (
            self.qkv(self.before(x_BNC)).reshape(batch, patches, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        )
        weights = (q @ k.mT * (width // 2) ** -0.5).softmax(-1)
        x_BNC = x_BNC + self.mixed((weights @ v).transpose(1, 2).reshape(batch, patches, width))
        return x_BNC + self.narrow(nn.functional.gelu(self.wide(self.between(x_BNC))))


class Plain(nn.Module):
    """A plain vision transformer of two blocks; the mean of the patches, or a class token, is classified."""

    def __init__(self, has_token: bool = False, width: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.places = nn.Parameter(torch.zeros(1, 16, width))
        self.token = nn.Parameter(torch.zeros(1, 1, width)) if has_token else None
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.last, self.head = nn.LayerNorm(width), nn.Linear(width, 7)

    def forward(self, image: Tensor) -> Tensor:
        x_BNC = self.patches(image).flatten(2).mT + self.places
        if self.token is not None:
            x_BNC = torch.cat([self.token, x_BNC], 1)
        x_BNC = self.last(self.blocks(x_BNC))
        return self.head(x_BNC.mean(1) if self.token is None else x_BNC[:, 0])


PLAIN, SHAPE = "a plain transformer", (1, 3, 16, 16)


def necks(graph: fx.Graph) -> list[fx.Node]:
    """The values that everything computed passes through."""
    order = {node: place for place, node in enumerate(graph.nodes)}
    computed: set[fx.Node] = set()
    read_later: set[fx.Node] = set()
    found = []
    for node in graph.nodes:
        if node.op == "placeholder" or (
            node.op != "output" and not computed.isdisjoint(node.all_input_nodes)
        ):
            computed.add(node)
            read_later.add(node)
        read_later = {each for each in read_later if any(order[user] > order[node] for user in each.users)}
        if read_later == {node}:
            found.append(node)
    return found


@pytest.fixture(scope="module")
def graphs() -> dict[str, fx.GraphModule]:
    source = resolve(SourceRequest(weights=Path("fashion-mnist"), image_size=(64, 64)))
    return {
        "cloformer": trace(source.model, source.inputs).graph_module,
        PLAIN: traced(fill(Plain()), SHAPE).graph_module,
        "with a class token": traced(fill(Plain(has_token=True)), SHAPE).graph_module,
    }


def drawn(graph_module: fx.GraphModule, seed: int = 0) -> Tensor:
    (image,) = (node for node in graph_module.graph.nodes if node.op == "placeholder")
    return torch.randn(image.meta["val"].shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "least"), [("cloformer", 40), (PLAIN, 12), ("with a class token", 12)])
def test_conserved_from_layer_to_layer(name: str, least: int, graphs: dict[str, fx.GraphModule]) -> None:
    graph_module = graphs[name]
    found = propagated(graph_module, [drawn(graph_module)])
    passed = necks(graph_module.graph)
    assert len(passed) >= least and not found.without_rule
    for node in passed:
        assert found.total(node) + ended(found, node) == pytest.approx(1, abs=0.01), node


def ended(found: Propagated, node: fx.Node) -> float:
    """What constants keep that are put beside the computed values behind ``node``."""
    order = list(node.graph.nodes)
    kept = [
        each
        for each in order
        if each.op == "get_attr" and any(order.index(user) > order.index(node) for user in each.users)
    ]
    return sum(found.total(each) for each in kept)


@pytest.mark.parametrize("name", ["cloformer", PLAIN])
def test_layers_are_ranked(name: str, graphs: dict[str, fx.GraphModule]) -> None:
    """All passes through the first layer and the last; the blocks' layers are beside what they read."""
    graph_module = graphs[name]
    layers = [layer.node.name for layer in quantizable(Rewriter(graph_module))]
    shares = relevances(graph_module, layers, lambda: [[drawn(graph_module)]], 1).shares
    assert list(shares) == layers
    assert shares[layers[0]] == pytest.approx(1) == shares[layers[-1]]
    between = [share for share in shares.values() if 0 < share < 0.99]
    assert len(between) >= len(layers) // 2 and max(between) > 1.2 * min(between)


def test_shares_are_the_mean_over_images(graphs: dict[str, fx.GraphModule]) -> None:
    graph_module = graphs[PLAIN]
    layers = [layer.node.name for layer in quantizable(Rewriter(graph_module))]

    def shares(*seeds: int) -> Mapping[str, float]:
        images = [[drawn(graph_module, seed)] for seed in seeds]
        return relevances(graph_module, layers, lambda: images, len(seeds)).shares

    one, other = shares(0), shares(1)
    assert one != other
    assert shares(0, 1) == pytest.approx({layer: (one[layer] + other[layer]) / 2 for layer in layers})


def test_a_layer_that_adds_nothing_has_no_relevance() -> None:
    parts = {name: nn.Linear(8, 8) for name in ("first", "dead", "same")}
    for part, weight in zip(
        parts.values(), (torch.full((8, 8), 0.5), torch.zeros(8, 8), torch.eye(8)), strict=True
    ):
        part.load_state_dict({"weight": weight, "bias": torch.zeros(8)})
    model = Lambda(lambda s, x: (y := s.first(x)) + s.dead(y) + s.same(y), **parts)
    graph_module = traced(model, (1, 8)).graph_module
    names = [layer.node.name for layer in quantizable(Rewriter(graph_module))]
    shares = relevances(graph_module, names, lambda: [[torch.ones(1, 8)]], 1).shares
    assert list(shares.values()) == pytest.approx([1, 0, 0.5])


@pytest.mark.parametrize(
    "law",
    [
        lambda s, x: s.layer(x),
        lambda s, x: s.layer(x).mean((1, 2, 3)),
        lambda s, x: s.layer(x).argmax(1).flatten(1),
    ],
)
def test_no_scores_of_classes_are_refused(law: object) -> None:
    graph_module = traced(Lambda(law, layer=nn.Conv2d(3, 4, 3)), (1, 3, 8, 8)).graph_module
    with pytest.raises(UnsupportedError) as raised:
        propagated(graph_module, [torch.ones(1, 3, 8, 8)])
    assert len(raised.value.lines) <= 3 and "--sensitivity measured" in str(raised.value)
