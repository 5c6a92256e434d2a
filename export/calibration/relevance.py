"""Which layers the predicted class rests on: the relevance that arrives at each, propagated from that class back to the input.

Ranks layers as LRP-QViT does (Ranjan and Savakis, Mixed-Precision Vision Transformer Quantization via Layer-wise Relevance
Propagation, 2024). The rules are in :mod:`.relevance_rules`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from cloformer.errors import UnsupportedError
from cloformer.io.progress import Progress, Stage

from ..reference.natures import operator_name
from .relevance_rules import Call, is_numbers, shared, shared_by_default

__all__ = ["Propagated", "Relevance", "propagated", "relevances"]


@dataclass(frozen=True)
class Relevance:
    """``shares`` says for each layer how much of the predicted class's relevance arrives at its output, as the mean over
    images: 1 where all of it passes. ``without_rule`` are the operators that shared theirs by default."""

    shares: Mapping[str, float]
    without_rule: tuple[str, ...]


@dataclass(frozen=True)
class Propagated:
    """The relevance of each value that takes any, as shares of the predicted class's, none below zero: by node, and by the
    tensor's number for a node that gives several."""

    by_node: Mapping[fx.Node, Mapping[int, Tensor]]
    without_rule: frozenset[str]

    def total(self, node: fx.Node) -> float:
        """The sum over the node's value: what is conserved."""
        return sum(float(each.sum()) for each in self.by_node.get(node, {}).values())


def relevances(
    graph_module: fx.GraphModule,
    layers: Sequence[str],
    batches: Callable[[], Iterable[Sequence[Tensor]]],
    count: int,
    progress: Progress = lambda _: None,
) -> Relevance:
    """How much relevance arrives at the output of each of ``layers``, which are names of nodes. ``batches`` gives the graph's
    inputs, ``count`` times, one image each.

    Raises :class:`UnsupportedError` for a model that gives no scores of classes.
    """
    nodes = {node.name: node for node in graph_module.graph.nodes}
    sums = dict.fromkeys(layers, 0.0)
    without_rule: set[str] = set()
    for number, inputs in enumerate(batches()):
        progress(Stage(f"propagating relevance: image {number + 1} of {count}", number / count))
        found = propagated(graph_module, inputs)
        without_rule |= found.without_rule
        for name in layers:
            sums[name] += found.total(nodes[name]) / count
    return Relevance(sums, tuple(sorted(without_rule)))


def propagated(graph_module: fx.GraphModule, inputs: Sequence[Tensor]) -> Propagated:
    """The relevance of every value for what the graph predicts of ``inputs``, which adds up to 1 for each image.

    Raises :class:`UnsupportedError` for a model that gives no scores of classes.
    """
    interpreter = fx.Interpreter(graph_module, garbage_collect_values=False)
    with torch.no_grad():
        interpreter.run(*inputs)
    values = interpreter.env
    computed = _computed(graph_module.graph)
    scores = _scores(graph_module.graph, values)
    arrived: dict[fx.Node, dict[int, Tensor]] = defaultdict(dict)
    chosen = values[scores].argmax(1)
    arrived[scores][0] = torch.nn.functional.one_hot(chosen, values[scores].shape[1]).double()
    without_rule: set[str] = set()
    for node in reversed(graph_module.graph.nodes):
        if node.op != "call_function" or node not in computed or node not in arrived:
            continue
        call = Call(node, values, computed)
        for source, place, share in _shares(call, arrived[node], without_rule):
            there = arrived[source]
            there[place] = there[place] + share if place in there else share
    return Propagated(arrived, frozenset(without_rule))


def _shares(
    call: Call, arrived: Mapping[int, Tensor], without_rule: set[str]
) -> Iterable[tuple[fx.Node, int, Tensor]]:
    """What each source of the operator takes: the node, which of its tensors, and how much. Operators without a rule are
    added to ``without_rule``."""
    name = operator_name(call.node.target)
    if name == "getitem":
        several, index = call.node.args
        assert isinstance(several, fx.Node) and isinstance(index, int)
        return [(several, range(len(call.values[several]))[index], arrived[0])]
    relevance = [
        arrived.get(number, torch.zeros_like(value, dtype=torch.float64))
        for number, value in enumerate(pytree.tree_leaves(call.values[call.node]))
        if is_numbers(value)
    ]
    shares = shared(call, relevance) if call.open_places else {}  # none of integers and complex numbers
    if not shares:
        without_rule.add(name)
    if shares is None:
        shares = shared_by_default(call, relevance)
    return [(call.source(place), 0, share) for place, share in shares.items()]


def _computed(graph: fx.Graph) -> frozenset[fx.Node]:
    """The nodes that depend on an input."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "placeholder" or not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return frozenset(found)


def _scores(graph: fx.Graph, values: Mapping[fx.Node, object]) -> fx.Node:
    """The first output that may be scores of classes: (images, classes)."""
    (output,) = (node for node in graph.nodes if node.op == "output")
    for node in pytree.tree_leaves(output.args):
        value = values.get(node)
        if isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 2:
            found: fx.Node = node
            return found
    raise UnsupportedError(
        "relevance starts from the predicted class, and no output of the model has a score for each class",
        "rank the layers by what rounding each of them costs: --sensitivity measured",
    )
