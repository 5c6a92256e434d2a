"""Values that can only be scaled together, channel by channel: what gives them, and what reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import fx

from cloformer.export.passes.layers import LAYERS, TRANSPOSED, Layer
from cloformer.export.passes.producers import axis_before, summands
from cloformer.export.passes.rewriter import Rewriter, arguments, shape_of

__all__ = ["Stream"]

aten = torch.ops.aten

# f(s x) = s f(x) for every s above 0; and the number of axes with which the second one is of channels, None where none is another.
_HOMOGENEOUS = {
    aten.relu.default: None, aten.leaky_relu.default: None, aten.neg.default: None, aten.abs.default: None,
    aten.max_pool1d.default: 3, aten.max_pool2d.default: 4, aten.max_pool3d.default: 5,
    aten.avg_pool1d.default: 3, aten.avg_pool2d.default: 4, aten.avg_pool3d.default: 5,
    aten.adaptive_avg_pool1d.default: 3, aten.adaptive_avg_pool2d.default: 4, aten.adaptive_avg_pool3d.default: 5,
    aten.upsample_nearest2d.vec: 4, aten.upsample_bilinear2d.vec: 4,
}  # fmt: skip


@dataclass(frozen=True)
class Stream:
    """``axes`` are the values, each with its axis of channels; ``layers`` give them and ``readers`` read them."""

    axes: dict[fx.Node, int] = field(default_factory=dict)
    layers: dict[fx.Node, Layer] = field(default_factory=dict)
    readers: dict[fx.Node, Layer] = field(default_factory=dict)

    @classmethod
    def each(cls, rewriter: Rewriter) -> Iterator[Stream]:
        """Those that nothing but layers gives and reads, in order. One layer may read one and give another, or the same."""
        seen: set[fx.Node] = set()
        for node in rewriter.nodes(*LAYERS, *TRANSPOSED):
            layer = Layer.read(rewriter, node, transposed=True)
            if layer is None or node in seen:
                continue
            stream = cls()
            is_whole = stream._fill(rewriter, node, layer.axis)
            seen |= stream.axes.keys()
            if is_whole and stream.readers:
                yield stream

    def _fill(self, rewriter: Rewriter, node: fx.Node, axis: int) -> bool:
        """Follow ``node`` to all that is scaled with it; whether layers alone are at its ends."""
        waiting = [(node, axis)]
        while waiting:
            value, along = waiting.pop()
            if value in self.axes:
                if self.axes[value] != along:
                    return False
                continue
            self.axes[value] = along
            beside, behind = self._given(rewriter, value, along), self._read(rewriter, value, along)
            if beside is None or behind is None:
                return False
            waiting += [*beside, *behind]
        return True

    def _given(self, rewriter: Rewriter, value: fx.Node, axis: int) -> list[tuple[fx.Node, int]] | None:
        """What ``value`` is computed from; None if that cannot be scaled."""
        layer = Layer.read(rewriter, value, transposed=True)
        if layer is not None:
            self.layers[value] = layer
            return [] if layer.axis == axis else None
        return _sources(rewriter, value, axis)

    def _read(self, rewriter: Rewriter, value: fx.Node, axis: int) -> list[tuple[fx.Node, int]] | None:
        """What is computed of ``value`` and scaled with it; None if anything but layers reads it otherwise."""
        found = []
        for user in value.users:
            layer = Layer.read(rewriter, user, transposed=True)
            if layer is not None and layer.input is value and list(user.all_input_nodes).count(value) == 1:
                if layer.axis != axis:
                    return None
                self.readers[user] = layer
                continue
            rank = len(shape_of(user) or ())
            after = (
                place for place in range(rank) if (value, axis) in (_sources(rewriter, user, place) or ())
            )
            place = next(after, None)
            if layer is not None or place is None:
                return None
            found.append((user, place))
        return found


def _sources(rewriter: Rewriter, node: fx.Node, axis: int) -> list[tuple[fx.Node, int]] | None:
    """The values that ``node`` is scaled with, each with the axis that becomes ``axis``; None if there are none."""
    terms = summands(node)
    if terms:
        return [(term, axis) for term in terms]
    source = node.args[0] if node.op == "call_function" and node.args else None
    if not isinstance(source, fx.Node) or shape_of(source) is None or shape_of(node) is None:
        return None
    before = axis if _scales(rewriter, node, len(shape_of(source) or ()), axis) else axis_before(node, axis)
    return None if before is None else [(source, before)]


def _scales(rewriter: Rewriter, node: fx.Node, rank: int, axis: int) -> bool:
    """Whether factors above 0 along ``axis`` of what ``node`` computes are factors of what it reads."""
    if node.target in _HOMOGENEOUS:
        needed = _HOMOGENEOUS[node.target]
        return needed is None or (axis == 1 and rank == needed)
    if node.target is aten.prelu.default:
        return axis == 1 and rewriter.constant(arguments(node)["weight"]) is not None
    if node.target is aten.pad.default:
        bound = arguments(node)
        amounts = bound["pad"][2 * (rank - 1 - axis) :][:2]
        return not any(amounts) and not (bound["mode"] == "constant" and bound["value"])
    return False
