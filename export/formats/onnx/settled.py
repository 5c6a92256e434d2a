"""A lowered program that torch.onnx need not trace again to take apart what ONNX has no function for.

``torch.onnx.export`` runs ``run_decompositions`` with a table of its own, which traces the whole program twice. Of a lowered
program the table names a node or two at most (``adaptive_avg_pool2d`` is a mean): these are traced alone, and everything
else is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from ...source.lowering import stays_as_it_is, with_graph

__all__ = ["Settled"]

_Table = Mapping[Any, Callable[..., Any]]


class Settled(ExportedProgram):
    """The same program; ``run_decompositions`` gives what torch's gives, and traces only the nodes that the table names
    where it can see that no other would change."""

    @classmethod
    def of(cls, program: ExportedProgram) -> Settled:
        """The program itself, not a copy: nothing may change it."""
        return cast("Settled", with_graph(cls, program, program.graph))

    def run_decompositions(self, decomp_table: Any = None, **options: Any) -> ExportedProgram:
        table = {} if decomp_table is None else decomp_table
        graph = None if options or decomp_table is None else _decomposed(self.graph, table)
        if graph is None:
            return cast("ExportedProgram", super().run_decompositions(decomp_table, **options))
        return with_graph(ExportedProgram, self, graph)


def _decomposed(graph: fx.Graph, table: _Table) -> fx.Graph | None:
    """A copy in which the nodes that the table names are taken apart; None if more than these would change."""
    made, values = fx.Graph(), dict[fx.Node, fx.Node]()
    returned = set(graph.output_node().all_input_nodes)
    for node in graph.nodes:
        if node.op != "call_function" or (node.target not in table and stays_as_it_is(node.target)):
            values[node] = made.node_copy(node, values.__getitem__)
            continue
        parts = None if node.target not in table or node in returned else _parts(node, table)
        if parts is None:
            return None
        values[node] = _inlined(made, node, parts, values)
    return made


def _parts(node: fx.Node, table: _Table) -> fx.Graph | None:
    """The node alone, taken apart; its placeholders are the nodes that it reads, in order. None if torch might take
    the parts further apart, or if it gives more than one tensor."""
    if not isinstance(node.meta.get("val"), Tensor):
        return None
    leaves, shape = pytree.tree_flatten((node.args, node.kwargs))
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, fx.Node)]

    def call(*tensors: Tensor) -> Tensor:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        args, kwargs = pytree.tree_unflatten(filled, shape)
        return cast("Tensor", node.target(*args, **kwargs))  # type: ignore[operator]

    examples = [leaves[place].meta["val"] for place in places]
    mode = next((value.fake_mode for value in examples if isinstance(value, FakeTensor)), None)
    if mode is None:
        return None
    with mode:  # so that what a decomposition makes is of the same mode
        traced = make_fx(call, decomposition_table=table)(*examples)
    calls = [part for part in traced.graph.nodes if part.op not in ("placeholder", "output")]
    settled = all(
        part.op == "call_function" and part.target not in table and stays_as_it_is(part.target)
        for part in calls
    )
    return traced.graph if settled else None


def _inlined(made: fx.Graph, node: fx.Node, parts: fx.Graph, values: Mapping[fx.Node, fx.Node]) -> fx.Node:
    """The parts in the node's place, with its origin. None takes a name of the program's other nodes, which would get a new
    one: what a program gives is known by name."""
    known = {other.name for other in node.graph.nodes}
    read = [item for item in pytree.tree_leaves((node.args, node.kwargs)) if isinstance(item, fx.Node)]
    inside = {
        place: values[source] for place, source in zip(parts.find_nodes(op="placeholder"), read, strict=True)
    }
    for part in parts.nodes:
        if part.op == "call_function":
            args, kwargs = fx.map_arg((part.args, part.kwargs), inside.__getitem__)
            name = f"{node.name}_{part.name}" if part.name in known else part.name
            inside[part] = made.create_node("call_function", part.target, args, kwargs, name=name)
            inside[part].meta = node.meta | {"val": part.meta["val"]}
    return inside[cast("fx.Node", parts.output_node().args[0])]
