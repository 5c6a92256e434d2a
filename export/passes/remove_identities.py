"""Drop operators that change nothing in a model that is only evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, alike, arguments, shape_of

__all__ = ["RemoveIdentities"]

aten = torch.ops.aten

_DROPOUTS = (aten.dropout.default, aten.feature_dropout.default, aten.alpha_dropout.default)
_COPIES = (
    aten.contiguous.default, aten.clone.default, aten.alias.default, aten.detach.default,
    aten.lift_fresh_copy.default, aten.detach_.default,
)  # fmt: skip
_CASTS = (aten.to.dtype, aten.to.dtype_layout, aten.to.device, aten._to_copy.default)
_RESHAPES = (
    aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.flatten.using_ints,
    aten.expand.default, aten.unflatten.int, aten.view_as.default, aten.reshape_as.default,
)  # fmt: skip
_VIEWS = (
    aten.view.default, aten._unsafe_view.default, aten.flatten.using_ints, aten.unflatten.int,
    aten.view_as.default, aten.reshape_as.default,
)  # fmt: skip
_MOVES = (*_VIEWS, aten.reshape.default)
_NEUTRAL: dict[object, float] = {
    aten.mul.Tensor: 1, aten.div.Tensor: 1, aten.add.Tensor: 0, aten.sub.Tensor: 0,
}  # fmt: skip


@dataclass(frozen=True)
class RemoveIdentities(Pass):
    """Drop dropout, copies, casts to the same type, reshapes to the same shape and those that undo others, x * 1, x + 0.

    What is left of ``view`` and ``flatten`` becomes ``reshape``, which needs no particular memory layout, and of ``view_as``
    too, which counts as a reader of what it takes the shape of.
    """

    law: ClassVar[str] = "f(x) = x, element for element, in evaluation mode"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten._assert_tensor_metadata.default):
            # It asserts the type before a cast, which the trace knows, and would count as a reader.
            rewriter.graph.erase_node(node)
        for node in rewriter.nodes(
            *_DROPOUTS, *_COPIES, *_CASTS, *_RESHAPES, *_NEUTRAL, aten.permute.default
        ):
            source = node.args[0]
            undone = _undone(node)
            if undone is not None:
                sites.append(rewriter.replace(node, undone))
            elif isinstance(source, fx.Node) and _is_identity(node, source):
                sites.append(rewriter.replace(node, source))
            elif node.target in _VIEWS and (shape := shape_of(node)) is not None:
                with rewriter.at(node):
                    reshaped = rewriter.call(aten.reshape.default, source, list(shape))
                rewriter.replace(node, reshaped)
        return sites


def _undone(node: fx.Node) -> fx.Node | None:
    """The value whose shape reshapes one after another change and ``node``, the last of them, restores."""
    source = node
    while source.target in _MOVES and isinstance(source.args[0], fx.Node):
        source = source.args[0]
        if alike(source, node) and source is not node.args[0]:
            return source
    return None


def _is_identity(node: fx.Node, source: fx.Node) -> bool:
    if node.target in _DROPOUTS:
        return not arguments(node)["train"]
    if node.target in _COPIES:
        return True
    before, after = source.meta.get("val"), node.meta.get("val")
    if not isinstance(before, Tensor) or not isinstance(after, Tensor) or before.dtype != after.dtype:
        return False
    if node.target in _CASTS:
        return before.device == after.device
    if shape_of(node) is None or shape_of(node) != shape_of(source):
        return False
    if node.target is aten.permute.default:
        return list(node.args[1]) == list(range(before.ndim))  # type: ignore[arg-type]
    if node.target in _NEUTRAL:
        other = node.args[1]
        # `alpha` scales the second operand of add and sub; zero stays zero.
        return isinstance(other, (int, float)) and other == _NEUTRAL[node.target]
    return True
