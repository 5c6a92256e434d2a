"""The nearest pixels by their places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["LowerNearest"]

aten = torch.ops.aten

# How many axes each resizes, and what resizes one in the same way.
_RESIZES: dict[object, tuple[int, Callable[..., Tensor]]] = {
    aten.upsample_nearest1d.vec: (1, aten.upsample_nearest1d.vec),
    aten.upsample_nearest2d.vec: (2, aten.upsample_nearest1d.vec),
    aten.upsample_nearest3d.vec: (3, aten.upsample_nearest1d.vec),
    aten._upsample_nearest_exact1d.vec: (1, aten._upsample_nearest_exact1d.vec),
    aten._upsample_nearest_exact2d.vec: (2, aten._upsample_nearest_exact1d.vec),
    aten._upsample_nearest_exact3d.vec: (3, aten._upsample_nearest_exact1d.vec),
}


@dataclass(frozen=True)
class LowerNearest(Pass):
    """Choose the nearest pixels by their places along each axis, unless each is only repeated; ``side_by_side``, these are copies
    beside each other, with the channels last.

    PyTorch divides by the factor that it is given, in float32; Core ML and LiteRT have the size of the result alone. Where a new
    pixel's place is between two others it is written nowhere which one Core ML takes, and litert-torch takes those of other
    places. Half-way, PyTorch's ``nearest`` and ``nearest-exact`` differ too. XNNPACK has no operator for any of them, and leaves
    LiteRT's own in a graph that it takes in two pieces; a concatenation it has.
    """

    law: ClassVar[str] = "nearest(x)[i] = x[place(i)]"
    exactness: ClassVar[Exactness] = Exactness.BITWISE
    side_by_side: bool = False

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*_RESIZES):
            x, after = arguments(node)["input"], shape_of(node)
            before = shape_of(x)
            if before is None or after is None:
                continue
            places = _places(node, before, after)
            are_repeated = all(
                _is_repetition(item, size) for item, size in zip(places, before[-len(places) :])
            )
            if are_repeated and self.side_by_side:
                times = tuple(
                    len(item) // size for item, size in zip(places, before[-len(places) :], strict=True)
                )
                with rewriter.at(node):
                    copied = rewriter.write(_copied, x, times)
                sites.append(rewriter.replace(node, copied))
                continue
            if are_repeated and node.target in (aten.upsample_nearest1d.vec, aten.upsample_nearest2d.vec):
                continue
            result = x
            with rewriter.at(node):
                for axis, (place, size) in enumerate(
                    zip(places, before[-len(places) :], strict=True), start=-len(places)
                ):
                    if not torch.equal(place, torch.arange(size)):
                        index = rewriter.new_constant(place, node)
                        result = rewriter.call(aten.index_select.default, result, axis, index)
            sites.append(rewriter.replace(node, result))
        return sites


def _copied(x: Tensor, times: tuple[int, ...]) -> Tensor:
    """So many of each along the last axes, the last first: of rows of channels, or of whole rows, one copy behind the other."""
    y = x.movedim(1, -1)
    for axis in range(len(times), 0, -1):
        shape, count = list(y.shape), times[axis - 1]
        if count > 1:
            shape[axis] *= count
            y = torch.cat([y.flatten(axis + 1)] * count, axis + 1).reshape(shape)
    return y.movedim(-1, 1)


def _places(node: fx.Node, before: tuple[int, ...], after: tuple[int, ...]) -> list[Tensor]:
    """Which pixel each new one is, along each axis, as PyTorch chooses them."""
    rank, resize = _RESIZES[node.target]
    bound = arguments(node)
    scales = bound["scale_factors"] or [None] * rank
    places = []
    for size, count, scale in zip(before[-rank:], after[-rank:], scales, strict=True):
        numbers = torch.arange(size, dtype=torch.float32).reshape(1, 1, -1)
        found = resize(numbers, None, [scale]) if scale is not None else resize(numbers, [count], None)
        places.append(found.reshape(-1).long())
    return places


def _is_repetition(places: Tensor, size: int) -> bool:
    """Whether each pixel is there so many times, one after the other."""
    times = max(len(places) // size, 1)
    return torch.equal(places, torch.arange(size).repeat_interleave(times))
