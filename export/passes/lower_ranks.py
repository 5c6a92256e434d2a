"""Tensors of more axes than a format takes, without their axes of one."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .pointwise import is_pointwise
from .rewriter import Rewriter, arguments, is_fixed, shape_of
from .split_by_chunk import permute_order

__all__ = ["LowerRanks"]

aten = torch.ops.aten

# What leaves the elements in their order.
_RESHAPES = {
    aten.view.default, aten.reshape.default, aten._unsafe_view.default, aten.view_as.default, aten.reshape_as.default,
    aten.unsqueeze.default, aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims, aten.flatten.using_ints,
    aten.unflatten.int, aten.clone.default, aten.contiguous.default, aten.alias.default, aten.detach.default,
}  # fmt: skip
# What computes each element by itself, too.
_CASTS = {aten._to_copy.default, aten.to.dtype}
# What works along one axis or several, and the argument that says which.
_ALONG: dict[object, str] = {
    aten.select.int: "dim", aten.slice.Tensor: "dim", aten.index_select.default: "dim", aten.flip.default: "dims",
    aten.roll.default: "dims", aten.sum.dim_IntList: "dim", aten.mean.dim: "dim", aten.amax.default: "dim",
    aten.amin.default: "dim", aten.max.dim: "dim", aten.min.dim: "dim", aten.argmax.default: "dim",
    aten.argmin.default: "dim", aten.cumsum.default: "dim", aten.softmax.int: "dim", aten._softmax.default: "dim",
    aten.log_softmax.int: "dim", aten.unbind.int: "dim", aten.split.Tensor: "dim", aten.split.sizes: "dim",
    aten.split_with_sizes.default: "dim", aten.chunk.default: "dim", aten.linalg_vector_norm.default: "dim",
}  # fmt: skip
_Form = Callable[["_Lowering", fx.Node], fx.Node | None]


@dataclass(frozen=True)
class LowerRanks(Pass):
    """Leave out axes of one, a batch of one image most often, where a tensor has more axes than ``most``.

    An ML Program's tensors have five at most. Windows, heads and relative positions take six, and coremltools finds a way
    only where such a tensor is permuted alone.
    """

    most: int

    law: ClassVar[str] = (
        "f(x) = reshaped(f'(reshaped(x))), where f' is f along the axes that are left; what leaves the order of the elements "
        "is a reshaping"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        lowering, sites = _Lowering(rewriter, self.most), []
        for node in list(rewriter.graph.nodes):
            if node.op != "call_function" or not lowering.concerns(node):
                continue
            with rewriter.at(node):
                site = lowering.lower(node)
            if site is not None:
                sites.append(site)
        return sites


@dataclass
class _Lowering:
    """``low`` has for each value of too many axes the same elements, in the same order, with fewer."""

    rewriter: Rewriter
    most: int

    def __post_init__(self) -> None:
        self.low: dict[fx.Node, fx.Node] = {}

    def concerns(self, node: fx.Node) -> bool:
        """Whether a value that it is given, or gives, has too many axes, or is a piece of one that had; all of them with fixed
        shapes."""
        nodes = (node, *node.all_input_nodes)
        return any(one in self.low or self._is_high(one) for one in nodes) and all(map(is_fixed, nodes))

    def _is_high(self, node: fx.Node) -> bool:
        values = pytree.tree_leaves(node.meta.get("val"))
        return any(isinstance(item, Tensor) and item.ndim > self.most for item in values)

    def lower(self, node: fx.Node) -> Origin | None:
        """Write the node with fewer axes, if that can be; the site, if what it gives has few enough."""
        if any(source not in self.low and self._is_high(source) for source in node.all_input_nodes):
            return None
        form = _piece if node.target is operator.getitem else _FORMS.get(node.target) or _by_element(node)
        made = None if form is None else form(self, node)
        if made is None:
            return None
        shape = shape_of(node)
        if (
            shape is None or len(shape) > self.most
        ):  # several values, or too many axes: for those that read it
            self.low[node] = made
            return None
        return self.rewriter.replace(node, self._reshaped(made, shape))

    def shaped(self, node: fx.Node, shape: Sequence[int]) -> fx.Node:
        return self._reshaped(self.low.get(node, node), shape)

    def _reshaped(self, node: fx.Node, shape: Sequence[int]) -> fx.Node:
        return (
            node
            if shape_of(node) == tuple(shape)
            else self.rewriter.call(aten.reshape.default, node, list(shape))
        )

    def left(self, shape: Sequence[int], always: Iterable[int] = ()) -> list[int] | None:
        """The axes that are not of one, and those that are needed always; None if they are too many."""
        kept = set(always)
        found = [axis for axis, size in enumerate(shape) if size != 1 or axis in kept]
        return found if len(found) <= self.most else None

    def broadcast(self, node: fx.Node, axes: Sequence[int], rank: int) -> fx.Node:
        """An operand of what gives ``rank`` axes, with ``axes`` of them alone; a lone number stays."""
        given = shape_of(node) or ()
        aligned = (1,) * (rank - len(given)) + given
        return self.shaped(node, [aligned[axis] for axis in axes]) if given else node

    def called(self, node: fx.Node, changed: dict[str, Any]) -> fx.Node:
        """The same operator with other arguments, by their names in its schema."""
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        bound = arguments(node) | changed
        names = [item.name for item in schema if not item.kwarg_only]
        count = max([len(node.args), *(names.index(name) + 1 for name in changed if name in names)])
        named = {item.name for item in schema if item.name in node.kwargs or item.name in changed}
        kwargs = {name: bound[name] for name in named - set(names[:count])}
        return self.rewriter.call(node.target, *(bound[name] for name in names[:count]), **kwargs)


def _reshaped(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    (source, *_), shape = node.all_input_nodes, shape_of(node) or ()
    axes = lowering.left(shape)
    return None if axes is None else lowering.shaped(source, [shape[axis] for axis in axes])


def _permuted(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    (source,), order = node.all_input_nodes, permute_order(node)
    shape = shape_of(source) or ()
    axes = lowering.left(shape)
    if axes is None or order is None:
        return None
    places = {axis: place for place, axis in enumerate(axes)}
    given = lowering.shaped(source, [shape[axis] for axis in axes])
    return lowering.rewriter.call(
        aten.permute.default, given, [places[axis] for axis in order if axis in places]
    )


def _by_element(node: fx.Node) -> _Form | None:
    """The form of what computes each element of its result by itself, of operands that are spread over it."""
    return _elements if is_pointwise(node.target) or node.target in _CASTS else None


def _elements(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    shape = shape_of(node) or ()
    axes = lowering.left(shape)
    if axes is None:
        return None
    args, kwargs = pytree.tree_map_only(
        fx.Node, lambda item: lowering.broadcast(item, axes, len(shape)), (node.args, node.kwargs)
    )
    return lowering.rewriter.call(node.target, *args, **kwargs)


def _expanded(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    (source,), shape = node.all_input_nodes, shape_of(node) or ()
    axes = lowering.left(shape)
    if axes is None:
        return None
    given = lowering.broadcast(source, axes, len(shape))
    return lowering.rewriter.call(aten.expand.default, given, [shape[axis] for axis in axes])


def _along(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    bound, name = arguments(node), _ALONG[node.target]
    operand = "self" if "self" in bound else "input"
    shape, dims = shape_of(bound[operand]) or (), bound[name]
    several = [dims] if isinstance(dims, int) else list(dims or ())
    touched = [dim % len(shape) for dim in several]
    axes = lowering.left(shape, touched)
    if axes is None or not touched:
        return None
    given = lowering.shaped(bound[operand], [shape[axis] for axis in axes])
    places = [axes.index(dim) for dim in touched]
    return lowering.called(node, {operand: given, name: places[0] if isinstance(dims, int) else places})


def _joined(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    """Concatenated, or stacked, each as a piece of one along a new axis."""
    bound, shape = arguments(node), shape_of(node) or ()
    dim = bound["dim"] % len(shape)
    axes = lowering.left(shape, [dim])
    if axes is None:
        return None
    is_new = node.target is aten.stack.default
    pieces = []
    for item in bound["tensors"]:
        given = list(shape_of(item) or ())
        whole = [*given[:dim], 1, *given[dim:]] if is_new else given
        pieces.append(lowering.shaped(item, [whole[axis] for axis in axes]))
    return lowering.rewriter.call(aten.cat.default, pieces, axes.index(dim))


def _products(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    """Of matrices, the axes before which are spread over one another; attention is made of such."""
    shape, bound = shape_of(node) or (), arguments(node)
    axes = lowering.left(shape, [len(shape) - 2, len(shape) - 1])
    operands = {name: item for name, item in bound.items() if isinstance(item, fx.Node)}
    if (
        axes is None
        or bound.get("enable_gqa")
        or any(item.meta["val"].ndim < 2 for item in operands.values())
    ):
        return None
    return lowering.called(
        node, {name: lowering.broadcast(item, axes, len(shape)) for name, item in operands.items()}
    )


def _of_last_axes(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    """A linear layer of the last axis, or a normalization over the last ones."""
    bound = arguments(node)
    shape, count = shape_of(bound["input"]) or (), len(bound.get("normalized_shape", [1]))
    axes = lowering.left(shape, range(len(shape) - count, len(shape)))
    if axes is None:
        return None
    return lowering.called(node, {"input": lowering.shaped(bound["input"], [shape[axis] for axis in axes])})


def _piece(lowering: _Lowering, node: fx.Node) -> fx.Node | None:
    several, number = node.args
    low = lowering.low.get(several)  # type: ignore[arg-type]
    return None if low is None else lowering.rewriter.piece(low, number)  # type: ignore[arg-type]


_FORMS: dict[object, _Form] = {
    **dict.fromkeys(_RESHAPES, _reshaped),
    **dict.fromkeys(_ALONG, _along),
    aten.permute.default: _permuted,
    aten.transpose.int: _permuted,
    aten.expand.default: _expanded,
    aten.cat.default: _joined,
    aten.stack.default: _joined,
    aten.matmul.default: _products,
    aten.scaled_dot_product_attention.default: _products,
    aten.linear.default: _of_last_axes,
    aten.layer_norm.default: _of_last_axes,
}
