"""Taking q, k and v apart without a tensor of rank five."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["SplitByChunk"]

aten = torch.ops.aten

_COPIES = (aten.contiguous.default, aten.clone.default)


@dataclass(frozen=True)
class SplitByChunk(Pass):
    """Turn reshape, permute to the front, unbind into one ``chunk`` of the original tensor.

    Applies where the reshape splits an axis into (n, ...) and the permutation moves n to the
    front; each piece is then one of n equal, consecutive blocks of that axis. Left alone when
    anything but the pieces reads the intermediate tensors, and unless ``last_axis`` where that
    axis is the last, whose blocks do not lie together.
    """

    law: ClassVar[str] = (
        "unbind(permute(reshape(x, [P, n, R]))[i] = permute'(reshape(chunk(x, n)[i], [P, R]))"
    )
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    last_axis: bool = True

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for reshape in rewriter.nodes(aten.reshape.default, aten.view.default, aten._unsafe_view.default):
            permute = _sole_user(reshape)
            order = permute_order(permute)
            if permute is None or order is None:
                continue
            whole = permute
            while (user := _sole_user(whole)) is not None and user.target in _COPIES:
                whole = user
            pieces = _pieces(user if user is not None and user.target is aten.unbind.int else whole)
            if pieces is None:
                continue
            axis = _split_axis(reshape, order[0])
            if axis is None or (axis == len(shape_of(reshape.args[0]) or ()) - 1 and not self.last_axis):  # type: ignore[arg-type]
                continue
            sites.append(origin_of(reshape))
            _rewrite_site(rewriter, reshape, order, axis, pieces)
        return sites


def permute_order(node: fx.Node | None) -> list[int] | None:
    """The axes' new order if ``node`` is a permute or transpose, else None."""
    if node is None or node.target not in (aten.permute.default, aten.transpose.int):
        return None
    value = node.meta.get("val")
    if value is None or not value.ndim:
        return None
    order = list(range(value.ndim))
    if node.target is aten.permute.default:
        return [axis % value.ndim for axis in arguments(node)["dims"]]
    first, second = (arguments(node)[name] % value.ndim for name in ("dim0", "dim1"))
    order[first], order[second] = second, first
    return order


def _sole_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _pieces(node: fx.Node) -> dict[int, list[fx.Node]] | None:
    """The nodes that hold piece i, if every use of ``node`` takes a piece along axis 0."""
    is_unbind = node.target is aten.unbind.int
    if is_unbind and arguments(node)["dim"] != 0:
        return None
    wanted = operator.getitem if is_unbind else aten.select.int
    pieces: dict[int, list[fx.Node]] = {}
    for user in node.users:
        if user.target is not wanted or (not is_unbind and user.args[1] != 0):
            return None
        pieces.setdefault(int(user.args[-1]), []).append(user)  # type: ignore[arg-type]
    return pieces or None


def _split_axis(reshape: fx.Node, new_axis: int) -> int | None:
    """The axis of the original tensor whose leading factor becomes ``new_axis``, if there is one."""
    before, after = shape_of(reshape.args[0]), shape_of(reshape)  # type: ignore[arg-type]
    if before is None or after is None:
        return None
    for axis in range(len(before)):
        if math.prod(before[:axis]) == math.prod(after[:new_axis]) and before[axis] % after[new_axis] == 0:
            return axis
    return None


def _rewrite_site(
    rewriter: Rewriter, reshape: fx.Node, order: list[int], axis: int, pieces: dict[int, list[fx.Node]]
) -> None:
    shape = list(shape_of(reshape) or ())
    count = shape.pop(order[0])
    piece_order = [dim - (dim > order[0]) for dim in order[1:]]
    with rewriter.at(reshape):
        chunks = rewriter.call(aten.chunk.default, reshape.args[0], count, axis)
        for index, holders in pieces.items():
            piece = rewriter.call(operator.getitem, chunks, index % count)
            if shape_of(piece) != tuple(shape):
                piece = rewriter.call(aten.reshape.default, piece, shape)
            if piece_order != sorted(piece_order):
                piece = rewriter.call(aten.permute.default, piece, piece_order)
            for holder in holders:
                rewriter.replace(holder, piece)
