"""Reading and rewriting a traced graph: the few operations every pass is made of.

New constants are kept in float64 and remember the type they will have in the end
(``node.meta["val"].dtype``); :func:`cast_constants` casts them, once, after the last pass.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from ..source.origin import Origin
from ..source.trace import origin_of

__all__ = [
    "MEAN",
    "Form",
    "Rewriter",
    "alike",
    "arguments",
    "carry_notes",
    "cast_constants",
    "each_axis",
    "is_fixed",
    "read_constant",
    "shape_of",
    "written",
]

aten = torch.ops.aten
MEAN = "cloformer_mean"  # in the meta of a node: its mean by channel


def arguments(node: fx.Node) -> dict[str, Any]:
    """The operator's arguments by their names in its schema, defaults filled in."""
    schema = node.target._schema  # type: ignore[union-attr]
    given = dict(zip((argument.name for argument in schema.arguments), node.args)) | node.kwargs
    return {
        argument.name: given.get(
            argument.name, argument.default_value if argument.has_default_value() else None
        )
        for argument in schema.arguments
    }


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """The node's shape, or None where it is not known or not fixed."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor) or not all(isinstance(size, int) for size in value.shape):
        return None
    return tuple(value.shape)


def each_axis(value: int | Sequence[int], rank: int) -> list[int]:
    """One number for each axis: PyTorch takes one for all of them, too."""
    values = [value] if isinstance(value, int) else list(value)
    return values * rank if len(values) == 1 else values


def alike(node: fx.Node, other: fx.Node) -> bool:
    """Whether both are tensors of one fixed shape and one dtype, so that one can stand for the other."""
    shape = shape_of(node)
    return (
        shape is not None and shape == shape_of(other) and node.meta["val"].dtype == other.meta["val"].dtype
    )


def carry_notes(old: fx.Node, new: fx.Node) -> None:
    """What :mod:`.note_means` noted of ``old`` holds for ``new``, which has its value."""
    if MEAN in old.meta:
        new.meta[MEAN] = old.meta[MEAN]


def read_constant(graph_module: fx.GraphModule, node: object) -> Tensor | None:
    """The tensor behind a ``get_attr`` node as it is stored; None for any other node."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    owner: Any = graph_module
    for part in str(node.target).split("."):
        owner = getattr(owner, part)
    return owner.detach() if isinstance(owner, Tensor) else None


def cast_constants(graph_module: fx.GraphModule) -> None:
    """Cast every constant to the type its node says it has, the one rounding of all passes, and lay it out in memory in the order
    of its axes: ExecuTorch takes one of rank 4 that lies otherwise, as a table that was permuted does, for one of another shape."""
    for node in graph_module.graph.nodes:
        tensor = read_constant(graph_module, node)
        value = node.meta.get("val")
        if tensor is not None and value is not None:
            stored = _in_order(tensor.to(value.dtype))
            if stored is not tensor:
                _store(graph_module, str(node.target), stored)


def _in_order(tensor: Tensor) -> Tensor:
    """With the strides of its shape, also those of axes with one element, of which torch says that their order is no matter."""
    steps = torch.empty_like(tensor, device="meta", memory_format=torch.contiguous_format).stride()
    return tensor if tensor.stride() == steps else tensor.clone(memory_format=torch.contiguous_format)


# What another operator writes in a node's place, of its arguments by name; None if it stays. A list is for what gives several
# values.
Form = Callable[["Rewriter", fx.Node, dict[str, Any]], "fx.Node | list[fx.Node] | None"]


class Rewriter:
    """A graph under one pass. Nodes are made at :meth:`at`, which also says whose origin they inherit."""

    def __init__(self, graph_module: fx.GraphModule) -> None:
        self.graph_module = graph_module
        self.graph = graph_module.graph
        self._like: fx.Node | None = None
        self._zeros: dict[tuple[tuple[int, ...], torch.dtype], fx.Node] = {}
        found = pytree.tree_leaves([node.meta.get("val") for node in self.graph.nodes])
        # In which tensors have no data; None where the graph says nothing of its values.
        self.mode = next((value.fake_mode for value in found if isinstance(value, FakeTensor)), None)

    def nodes(self, *targets: Any) -> list[fx.Node]:
        """The calls of any of ``targets``, in order."""
        return [node for node in self.graph.nodes if node.op == "call_function" and node.target in targets]

    def constant(self, node: object) -> Tensor | None:
        """The constant's value, in float64 if it is a floating one."""
        tensor = read_constant(self.graph_module, node)
        return tensor.double() if tensor is not None and tensor.is_floating_point() else tensor

    def is_computed(self, node: object) -> bool:
        """Whether ``node``, an argument that may be absent (None), is there but is not a constant."""
        return node is not None and read_constant(self.graph_module, node) is None

    @contextmanager
    def at(self, node: fx.Node) -> Iterator[None]:
        """New nodes stand before ``node`` and have its origin."""
        previous, self._like = self._like, node
        with self.graph.inserting_before(node):
            yield
        self._like = previous

    def call(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """A new call at the current place, its value inferred from its arguments'."""
        node = self.graph.call_function(target, args, kwargs)
        node.meta["val"] = self._infer(target, args, kwargs)
        return self._inherit(node)

    def new_constant(self, tensor: Tensor, like: fx.Node) -> fx.Node:
        """A new constant: computed in float64, it will be stored with the type of ``like``; of integers, as it is."""
        stem = f"folded_{origin_of(like).module.replace('.', '_')}"
        name = next(
            name for index in itertools.count() if not hasattr(self.graph_module, name := f"{stem}_{index}")
        )
        _store(self.graph_module, name, tensor.detach().clone())
        node = self.graph.get_attr(name)
        value = like.meta["val"]
        dtype = value.dtype if tensor.is_floating_point() else tensor.dtype
        with value.fake_mode if isinstance(value, FakeTensor) else FakeTensorMode():
            node.meta["val"] = torch.empty(tensor.shape, dtype=dtype)
        return self._inherit(node)

    def zeros(self, shape: Sequence[int], like: fx.Node) -> fx.Node:
        """A constant of nothing but zeros with the type of ``like``; one for all places that need the same."""
        key = tuple(shape), like.meta["val"].dtype
        if key not in self._zeros:
            last = [node for node in self.graph.nodes if node.op == "placeholder"][-1]
            with self.graph.inserting_after(last):
                self._zeros[key] = self.new_constant(torch.zeros(key[0], dtype=torch.float64), like)
        return self._zeros[key]

    def write(self, function: Callable[..., Any], *operands: Any) -> Any:
        """What ``function`` computes of ``operands``, written in PyTorch, as nodes at the current place: a node, or a list of
        them where it gives several values; None where it gives ``NotImplemented``.

        Operands are nodes, lists and dictionaries of them, and what is no tensor. Composite operators stay as they are.
        ``function`` works on tensors without data, and changes none in place.
        """
        written = self.traced(function, *operands)
        return None if written is None else self.inline(written, *operands)

    def traced(
        self, function: Callable[..., Any], *operands: Any, composite: bool = True
    ) -> fx.GraphModule | None:
        """The same as a graph by itself, whose inputs are the nodes among ``operands``; where ``composite`` ones are not to stay,
        with what those operators are made of."""
        leaves, structure = pytree.tree_flatten(operands)
        found: list[Any] = []

        def of_tensors(*values: Tensor) -> Any:
            given = iter(values)
            filled = [next(given) if isinstance(leaf, fx.Node) else leaf for leaf in leaves]
            found.append(function(*pytree.tree_unflatten(filled, structure)))
            return () if found[-1] is NotImplemented else found[-1]

        values = [leaf.meta["val"] for leaf in leaves if isinstance(leaf, fx.Node)]
        with self.mode or nullcontext(), torch.no_grad():
            written: fx.GraphModule = make_fx(of_tensors, pre_dispatch=composite)(*values)
        return None if found[-1] is NotImplemented else written

    def inline(self, written: fx.GraphModule, *operands: Any) -> Any:
        """The nodes of a graph by itself at the current place; what it gives."""
        inputs = [leaf for leaf in pytree.tree_leaves(operands) if isinstance(leaf, fx.Node)]
        copies: dict[fx.Node, fx.Node] = dict(
            zip(written.graph.find_nodes(op="placeholder"), inputs, strict=True)
        )
        for node in written.graph.nodes:
            if node.op == "call_function" and node.users:
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), copies.__getitem__)
                copies[node] = self.call(node.target, *args, **kwargs)
        return fx.node.map_arg(written.graph.output_node().args[0], copies.__getitem__)

    def replace(
        self, old: fx.Node, new: fx.Node | Sequence[fx.Node], *, is_same_value: bool = True
    ) -> Origin:
        """Every user of ``old`` reads ``new`` instead, of several values each its own; returns the site.

        What is noted of ``old`` holds for ``new``, unless it has another value, which its users make up for."""
        origin = origin_of(old)
        if isinstance(new, fx.Node):
            if is_same_value:
                carry_notes(old, new)
            old.replace_all_uses_with(new)
        else:
            for piece in list(old.users):
                carry_notes(piece, new[piece.args[1]])  # type: ignore[index]
                piece.replace_all_uses_with(new[piece.args[1]])  # type: ignore[index]
                self.graph.erase_node(piece)
        self.graph.erase_node(old)
        return origin

    def erase_unread(self, node: fx.Node) -> None:
        """Erase ``node`` if nothing reads it, and then what it alone read; who counts readers later counts none of them."""
        waiting = [node]
        while waiting:
            unread = waiting.pop()
            if unread.op in ("call_function", "get_attr") and not unread.users:
                waiting += unread.all_input_nodes
                self.graph.erase_node(unread)

    def write_out(self, forms: Mapping[object, Form]) -> list[Origin]:
        """Every call of an operator in ``forms`` by what its form writes instead, before it; returns the sites. A form that
        gives None leaves its node, and so does a shape that is not fixed."""
        sites = []
        for node in self.nodes(*forms):
            if not is_fixed(node):
                continue
            with self.at(node):
                result = forms[node.target](self, node, arguments(node))
            if result is not None and _gives_all(result, node):
                sites.append(self.replace(node, result))
        return sites

    def piece(self, several: fx.Node, number: int) -> fx.Node:
        """One of several values."""
        node = self.graph.call_function(operator.getitem, (several, number))
        node.meta["val"] = several.meta["val"][number]
        return self._inherit(node)

    def finish(self) -> None:
        """Check the graph, remove what is dead, drop constants nothing reads. The module's code is not made anew."""
        self.graph.eliminate_dead_code()  # which checks the graph first
        self.graph_module.delete_all_unused_submodules()
        used = {str(node.target) for node in self.graph.nodes if node.op == "get_attr"}
        for name in [*dict(self.graph_module.named_parameters()), *dict(self.graph_module.named_buffers())]:
            if name not in used:
                owner = self.graph_module.get_submodule(name.rpartition(".")[0])
                delattr(owner, name.rpartition(".")[2])

    def _infer(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The value the call would have, on tensors without data."""
        if self.mode is None:
            return None
        args, kwargs = pytree.tree_map_only(fx.Node, lambda item: item.meta.get("val"), (args, kwargs))
        with self.mode:
            return target(*args, **kwargs)

    def _inherit(self, node: fx.Node) -> fx.Node:
        if self._like is not None and "custom" in self._like.meta:
            node.meta["custom"] = self._like.meta["custom"]
        return node


def _gives_all(result: fx.Node | Sequence[fx.Node], node: fx.Node) -> bool:
    return isinstance(result, fx.Node) or all(piece.args[1] < len(result) for piece in node.users)  # type: ignore[operator]


def _store(graph_module: fx.GraphModule, name: str, tensor: Tensor) -> None:
    prefix, _, leaf = name.rpartition(".")
    owner = graph_module.get_submodule(prefix)
    if leaf in owner._parameters:
        del owner._parameters[leaf]
    owner.register_buffer(leaf, tensor)


def written(function: Callable[..., Any]) -> Form:
    """The form that ``function``, which is given the operator's arguments by name, describes in PyTorch's own operators."""

    def form(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> Any:
        return rewriter.write(lambda given: function(**given), bound)

    return form


def is_fixed(node: fx.Node) -> bool:
    """Whether the node gives tensors, and their shapes are fixed."""
    values = node.meta.get("val")
    found = values if isinstance(values, (list, tuple)) else [values]
    return all(isinstance(item, Tensor) and all(type(size) is int for size in item.shape) for item in found)
