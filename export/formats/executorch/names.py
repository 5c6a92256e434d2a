"""Which node of the lowered program each step of the file computes.

ExecuTorch gives a number to whatever becomes of a node, and keeps it: beside the file for a step of the program, in the file for an
operator of a delegate. What a delegate makes a part of another operator, a rectifier of the convolution before it, has none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import fx
from torch.export import ExportedProgram

from ...passes.layers import LAYERS
from ...passes.rewriter import arguments
from ...passes.stored import dequantize
from ...source.trace import lowered_name_of
from ..exporter import ValueOrigin, value_origins
from .file import Kernel, Program, Value
from .operators import stored_operands
from .payload import Graph, Node
from .steps import graph_of, inner_name, outer_name, results_of, whole_name

__all__ = ["Numbered", "as_first_of_their_line", "numbered", "shape_at", "values_of"]

Shape = tuple[int, ...]
Shapes = dict[str, Shape | None]
_FROM = "from_node"  # as torch calls it


@dataclass(frozen=True)
class Numbered:
    """What became of a node: its name in the lowered program, its number, and what it reads, by places in the same list."""

    name: str
    number: int
    reads: tuple[int, ...]


@contextlib.contextmanager
def as_first_of_their_line(program: ExportedProgram) -> Iterator[None]:
    """Forget for a while what the nodes were made of: else those that were made of one node share its number."""
    sources = {node: node.meta.pop(_FROM) for node in program.graph.nodes if _FROM in node.meta}
    try:
        yield
    finally:
        for node, source in sources.items():
            node.meta[_FROM] = source


def numbered(program: ExportedProgram) -> list[list[Numbered]]:
    """The operators of ExecuTorch's program, and of each graph that a delegate took, in order. Their numbers are others once the
    file has been written."""
    return [list(_numbered(graph)) for graph in _graphs(program)]


def _graphs(program: ExportedProgram) -> Iterator[fx.Graph]:
    yield program.graph
    for node in program.graph.nodes:
        taken = getattr(program.graph_module, str(node.target), None) if node.op == "get_attr" else None
        inside = getattr(taken, "original_module", None)
        if inside is not None:
            yield inside.graph


def _numbered(graph: fx.Graph) -> Iterator[Numbered]:
    places: dict[fx.Node, int] = {}
    for node in graph.nodes:
        name, number = lowered_name_of(node), node.meta.get("debug_handle")
        if node.op == "call_function" and name is not None and number is not None:
            yield Numbered(
                name, number, tuple(places[item] for item in node.all_input_nodes if item in places)
            )
            places[node] = len(places)


def values_of(
    file: Program,
    source: ExportedProgram,
    graphs: Sequence[Sequence[Numbered]],
    numbers: Mapping[int, int | list[int]],
) -> tuple[ValueOrigin, ...]:
    """The origins of the file's values, but of complex ones, which are judged by the real ones that are made of them; ``numbers`` are
    those of its steps, by the place of their instruction."""
    found = list(_computed(file, numbers))
    names = _names(graphs, {step.number for step in found if step.number is not None})
    nodes = {node.name: node for node in source.graph.nodes}
    steps: list[tuple[Shapes, list[str]]] = []
    for step in found:
        carried = [] if step.number is None else names.get(step.number, [])
        steps += _constants(step, [nodes[name] for name in carried])
        if step.whole:
            numbers_again = [name for name in carried if nodes[name].target is dequantize]
            steps.append((step.whole, [name for name in carried if name not in numbers_again]))
            carried = numbers_again
        is_one = bool(carried) and isinstance(nodes[carried[-1]].meta.get("val"), torch.Tensor)
        # A norm gives its statistics, too, which the node that it was written for does not.
        steps.append((dict(list(step.results.items())[:1]) if is_one else step.results, carried))
    return value_origins(
        source,
        [(results, [name for name in carried if not _is_complex(nodes[name])]) for results, carried in steps],
    )


def _is_complex(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_complex()


@dataclass(frozen=True)
class _Step:
    """What an operator gives, its number, the whole numbers that its result is made of, if it is, and its weight and bias, as far as
    they are stored as whole numbers."""

    results: Shapes
    number: int | None
    whole: Shapes = field(default_factory=dict)
    stored: tuple[tuple[str, Shape], ...] = ()


def _computed(file: Program, numbers: Mapping[int, int | list[int]]) -> Iterator[_Step]:
    for place, step in file.steps.items():
        if isinstance(step, Kernel):
            number = numbers.get(place)
            results: Shapes = {outer_name(item): shape_at(file, item) for item in results_of(file, step)}
            yield _Step(results, number if isinstance(number, int) else None)
        else:
            graph = graph_of(file, step)
            yield from (_inside(graph, place, node) for node in graph.nodes)


def _inside(graph: Graph, place: int, node: Node) -> _Step:
    made = graph.values[node.output]
    stored = stored_operands(graph, node)
    return _Step(
        {inner_name(place, node.output): made.shape},
        node.handle,
        {} if made.rounded is None else {whole_name(place, node.output): made.shape},
        tuple(
            (inner_name(place, item), tuple(graph.values[item].shape[axis] for axis in order))
            for item, order in stored.items()
        ),
    )


def _constants(step: _Step, carried: Sequence[fx.Node]) -> Iterator[tuple[Shapes, list[str]]]:
    """The stored weight and bias of a layer, each with the node that makes numbers of them."""
    layer = next((node for node in carried if node.target in LAYERS), None)
    if layer is None:
        return
    given = arguments(layer)
    for (value, shape), name in zip(step.stored, ("weight", "bias"), strict=False):
        node = given.get(name)
        if isinstance(node, fx.Node) and node.target is dequantize:
            yield {value: shape}, [node.name]


def shape_at(file: Program, place: int) -> Shape:
    """The shape of a value of the program; of what is no tensor, a single number's."""
    entry = file.values[place]
    return entry.shape if isinstance(entry, Value) else ()


def _names(graphs: Sequence[Sequence[Numbered]], kept: Collection[int]) -> dict[int, list[str]]:
    """The nodes by the numbers that the file has (``kept``): a node whose own it has not is computed where what it reads is."""
    found: dict[int, list[str]] = {}
    for graph in graphs:
        homes: list[int | None] = []
        for item in graph:
            before = [homes[place] for place in item.reads if homes[place] is not None]
            home = item.number if item.number in kept else before[-1] if before else None
            homes.append(home)
            if home is not None and item.name not in found.setdefault(home, []):
                found[home].append(item.name)
    return found
