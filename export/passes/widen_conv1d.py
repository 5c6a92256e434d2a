"""Convolutions along one axis as convolutions of images of one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["WidenConv1d"]

aten = torch.ops.aten

_RANK = 3
_HEIGHT = 2  # the axis that is put in


@dataclass(frozen=True)
class WidenConv1d(Pass):
    """Write a convolution of (batch, channels, length) as one of (batch, channels, 1, length).

    LiteRT has no other, and litert-torch, which writes the same, stumbles over what is rounded beside it. An input without a batch
    is left alone.
    """

    law: ClassVar[str] = "conv1d(x, W) = squeeze(conv2d(unsqueeze(x), unsqueeze(W)))"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.conv1d.default, aten.conv1d.padding):
            bound = arguments(node)
            if len(shape_of(bound["input"]) or ()) != _RANK:
                continue
            with rewriter.at(node):
                image = rewriter.call(aten.unsqueeze.default, bound["input"], _HEIGHT)
                result = rewriter.call(
                    *_operator(node), image, _weight(rewriter, node), bound["bias"], **_geometry(bound)
                )
                result = rewriter.call(aten.squeeze.dim, result, _HEIGHT)
            sites.append(rewriter.replace(node, result))
        return sites


def _operator(node: fx.Node) -> tuple[Any]:
    is_named = node.target is aten.conv1d.padding
    return (aten.conv2d.padding if is_named else aten.conv2d.default,)


def _weight(rewriter: Rewriter, node: fx.Node) -> fx.Node:
    source = arguments(node)["weight"]
    weight = rewriter.constant(source)
    if weight is None:
        return rewriter.call(aten.unsqueeze.default, source, _HEIGHT)
    return rewriter.new_constant(weight.unsqueeze(_HEIGHT), source)


def _geometry(bound: dict[str, Any]) -> dict[str, Any]:
    """Strides, borders and dilations, of one row those that change nothing."""
    padding = bound["padding"]
    return {
        "stride": [1, *bound["stride"]],
        "padding": padding if isinstance(padding, str) else [0, *padding],
        "dilation": [1, *bound["dilation"]],
        "groups": bound["groups"],
    }
