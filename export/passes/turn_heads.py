"""Heads that are taken of a feature map by way of the order with channels last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, shape_of
from .split_by_chunk import permute_order

__all__ = ["TurnHeads"]

aten = torch.ops.aten

_RESHAPES = (aten.reshape.default, aten.view.default)
_TO_NHWC, _TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]
_MAP = 4  # axes of a feature map
_HEADS = (3, 4)  # axes of its places by channels: with one head, and with several
Shape = tuple[int, ...]


@dataclass(frozen=True)
class TurnHeads(Pass):
    """Take the rows of attention out of a feature map, and put them back, with its channels last.

    A map (B, C, H, W) that is reshaped to (B, M, D, N) and transposed to (B, M, N, D) is first turned to (B, H, W, C), and so
    is the way back. A runtime that keeps channels last has the map in that order already, and turns nothing large; so does
    one head, (B, C, N) to (B, N, C). Left alone: other reshapes and orders, and a transposed tensor that something else reads
    on its way back.
    """

    law: ClassVar[str] = (
        "(reshape(x, [B, M, D, N]))' = permute(reshape(nhwc(x), [B, N, M, D])), and the other way round"
    )
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.transpose.int, aten.permute.default):
            shape = shape_of(node)
            if shape is None or len(shape) not in _HEADS or not _swaps_last_two(node):
                continue
            source = node.all_input_nodes[0]
            if source.target in _RESHAPES and _is_of_a_map(source, shape):
                with rewriter.at(node):
                    rows = _rows(rewriter, source.all_input_nodes[0], shape)
                sites.append(rewriter.replace(node, rows))
                continue
            back = next(iter(node.users))
            if len(node.users) == 1 and back.target in _RESHAPES and _is_a_map(back, shape):
                with rewriter.at(back):
                    whole = _map(rewriter, source, back)
                sites.append(rewriter.replace(back, whole))
        return sites


def _swaps_last_two(node: fx.Node) -> bool:
    order = permute_order(node)
    last = len(order or ()) - 1
    return order == [*range(last - 1), last, last - 1]


def _is_of_a_map(reshape: fx.Node, turned: Shape) -> bool:
    """Whether what is reshaped is a map whose channels became heads and their depths, and whose places stayed together."""
    whole = shape_of(reshape.all_input_nodes[0])
    batch, *heads, places, depth = turned
    return whole is not None and len(whole) == _MAP and _fits(whole, batch, math.prod(heads) * depth, places)


def _is_a_map(reshape: fx.Node, turned: Shape) -> bool:
    """The same of a reshape to a map, of (B, M, D, N)."""
    whole = shape_of(reshape)
    batch, *heads, depth, places = turned
    return whole is not None and len(whole) == _MAP and _fits(whole, batch, math.prod(heads) * depth, places)


def _fits(whole: Shape, batch: int, channels: int, places: int) -> bool:
    return whole[:2] == (batch, channels) and whole[2] * whole[3] == places


def _rows(rewriter: Rewriter, whole: fx.Node, shape: Shape) -> fx.Node:
    """(B, C, H, W) to (B, M, N, D), or to (B, N, C)."""
    batch, *heads, places, depth = shape
    turned = rewriter.call(aten.permute.default, whole, _TO_NHWC)
    rows = rewriter.call(aten.reshape.default, turned, [batch, places, *heads, depth])
    return rewriter.call(aten.permute.default, rows, [0, 2, 1, 3]) if heads else rows


def _map(rewriter: Rewriter, rows: fx.Node, back: fx.Node) -> fx.Node:
    """(B, M, N, D), or (B, N, C), to the map (B, C, H, W)."""
    batch, channels, height, width = shape_of(back) or ()
    if len(shape_of(rows) or ()) == max(_HEADS):
        rows = rewriter.call(aten.permute.default, rows, [0, 2, 1, 3])
    turned = rewriter.call(aten.reshape.default, rows, [batch, height, width, channels])
    return rewriter.call(aten.permute.default, turned, _TO_NCHW)
