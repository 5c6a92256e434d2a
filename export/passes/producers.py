"""Which layers compute a value, so that what scales the value can scale them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import fx

from .layers import Layer
from .rewriter import Rewriter, alike, arguments, shape_of

__all__ = ["Producer", "axis_before", "concatenated", "summands"]

aten = torch.ops.aten

_RESHAPES = (
    aten.reshape.default, aten.view.default, aten._unsafe_view.default, aten.flatten.using_ints, aten.unflatten.int,
)  # fmt: skip
_SUMS = (aten.add.Tensor, aten.sub.Tensor)


@dataclass(frozen=True)
class Producer:
    """A layer, transposed or not, whose output channels are those of a value from ``start`` on, or a part of their sum; a
    shift of the value belongs into its bias if ``takes_shift``."""

    layer: Layer
    start: int = 0
    takes_shift: bool = True

    @classmethod
    def all_of(cls, rewriter: Rewriter, node: object, axis: int) -> list[Producer]:
        """The layers whose sums, differences and concatenations ``node`` is, moved about or not, where ``axis`` is of their
        channels; none if anything else is in it, or reads a value on the way."""
        found = _producers(rewriter, node, axis)
        return found if len({producer.layer.node for producer in found}) == len(found) else []

    @property
    def channels(self) -> slice:
        """Which of the value's channels the layer is in."""
        return slice(self.start, self.start + self.layer.channels)


def summands(node: fx.Node) -> list[fx.Node]:
    """The two values, like itself, that a sum or difference is of; empty for any other node."""
    if node.target not in _SUMS:
        return []
    bound = arguments(node)
    terms = [bound["self"], bound["other"]]
    return terms if all(isinstance(term, fx.Node) and alike(term, node) for term in terms) else []


def concatenated(node: fx.Node) -> tuple[list[fx.Node], int]:
    """What a concatenation puts one behind the other, and along which axis; empty for any other node."""
    shape = shape_of(node)
    if node.target is not aten.cat.default or shape is None:
        return [], 0
    bound = arguments(node)
    tensors: list[fx.Node] = list(bound["tensors"])
    is_plain = all(
        len(shape_of(tensor) or ()) == len(shape) and tensor.meta["val"].dtype == node.meta["val"].dtype
        for tensor in tensors
    )
    return (tensors, bound["dim"] % len(shape)) if is_plain else ([], 0)


def _producers(rewriter: Rewriter, node: object, axis: int) -> list[Producer]:
    if not isinstance(node, fx.Node) or len(node.users) != 1:
        return []
    layer = Layer.read(rewriter, node, transposed=True)
    if layer is not None:
        return [Producer(layer)] if layer.axis == axis else []
    terms = summands(node)
    if terms:
        first, second = (_producers(rewriter, term, axis) for term in terms)
        without = [replace(producer, takes_shift=False) for producer in second]
        return [*first, *without] if first and second else []
    before = axis_before(node, axis)
    if before is not None:
        return _producers(rewriter, node.args[0], before)
    return _of_parts(rewriter, *concatenated(node), axis)


def _of_parts(rewriter: Rewriter, parts: Sequence[fx.Node], along: int, axis: int) -> list[Producer]:
    found = []
    start = 0
    for part in parts:
        of_part = _producers(rewriter, part, axis)
        shape = shape_of(part)
        if not of_part or shape is None:
            return []
        found += [replace(producer, start=producer.start + start) for producer in of_part]
        start += shape[axis] if along == axis else 0
    return found


def axis_before(node: fx.Node, axis: int) -> int | None:
    """Which axis of what ``node`` moves about becomes ``axis``, whole and in order; None if none does, or nothing is
    moved."""
    source = node.args[0] if node.args else None
    before, after = (shape_of(value) if isinstance(value, fx.Node) else None for value in (source, node))
    if before is None or after is None:
        return None
    if node.target is aten.permute.default:
        return int(arguments(node)["dims"][axis]) % len(before)
    if node.target is aten.transpose.int:
        first, second = (arguments(node)[name] % len(before) for name in ("dim0", "dim1"))
        return int({first: second, second: first}.get(axis, axis))
    if node.target not in _RESHAPES:
        return None
    behind = math.prod(after[axis + 1 :])
    places = (place for place, size in enumerate(before) if size == after[axis])
    return next((place for place in places if math.prod(before[place + 1 :]) == behind), None)
