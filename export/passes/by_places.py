"""Operators by the places of what they take, which constants and sizes say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from .rewriter import Rewriter, shape_of

__all__ = ["largest_of_any_parts", "largest_of_parts", "repeated"]

aten = torch.ops.aten


def repeated(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """So many of each, as constants say."""
    often, axis = rewriter.constant(bound["repeats"]), bound["dim"]
    if often is None or axis is None:
        return None
    size = (shape_of(bound["self"]) or ())[axis]
    places = torch.arange(size).repeat_interleave(often.expand(size))
    return rewriter.call(aten.index_select.default, bound["self"], axis, rewriter.new_constant(places, node))


def largest_of_parts(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> list[fx.Node] | None:
    """Of parts of other sizes, axis after axis: each part filled up with its last number."""
    result, wanted = bound["self"], bound["output_size"]
    sizes = (shape_of(result) or ())[-len(wanted) :]
    if len(wanted) < 3 and all(size % parts == 0 for size, parts in zip(sizes, wanted, strict=True)):
        return None  # which is a pooling
    if any(user.args[1] != 0 for user in node.users):
        return None  # where it was
    for axis, (size, parts) in enumerate(zip(sizes, wanted, strict=True), start=-len(wanted)):
        places = _parts(size, parts)
        picked = rewriter.new_constant(places.flatten(), node.all_input_nodes[0])
        taken = rewriter.call(aten.index_select.default, result, axis, picked)
        result = rewriter.write(_largest_in_each, taken, axis, tuple(places.shape))
    return [result]


def largest_of_any_parts(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> list[fx.Node] | None:
    """The same of parts of one size, too."""
    found = largest_of_parts(rewriter, node, bound)
    if found is not None or any(user.args[1] != 0 for user in node.users):
        return found
    return [rewriter.write(_largest_of_equal, bound["self"], bound["output_size"])]


def _largest_of_equal(self: Tensor, wanted: Sequence[int]) -> Tensor:
    sizes = [size // parts for size, parts in zip(self.shape[-len(wanted) :], wanted, strict=True)]
    split = [size for pair in zip(wanted, sizes, strict=True) for size in pair]
    return self.reshape(*self.shape[: -len(wanted)], *split).amax(tuple(range(-1, -2 * len(wanted), -2)))


def _largest_in_each(self: Tensor, axis: int, parts: tuple[int, int]) -> Tensor:
    before, after = self.shape[:axis], self.shape[self.ndim + axis + 1 :]
    return self.reshape(*before, *parts, *after).amax(axis)


def _parts(size: int, parts: int) -> Tensor:
    """The places of each part (``parts``, most of any): the first begins at 0, and the last ends at the end."""
    begins = [place * size // parts for place in range(parts)]
    ends = [-(-(place + 1) * size // parts) for place in range(parts)]
    most = max(end - begin for begin, end in zip(begins, ends, strict=True))
    return torch.tensor(
        [
            [min(begin + place, end - 1) for place in range(most)]
            for begin, end in zip(begins, ends, strict=True)
        ]
    )
