"""Softmax over the last axis of what ExecuTorch may lay out with its channels last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, is_fixed, shape_of

__all__ = ["FlattenSoftmax"]

aten = torch.ops.aten

_IMAGE = 4  # axes


@dataclass(frozen=True)
class FlattenSoftmax(Pass):
    """Give a softmax over the last of four axes a tensor of three.

    Behind a convolution, as between the heads of an attention, ExecuTorch's delegate has the channels last, and takes them for the
    last axis. Between two products of matrices the reshapes cancel.
    """

    law: ClassVar[str] = "softmax(x) = reshape(softmax(reshape(x, [batch, rows, columns])))"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.softmax.int):
            bound = arguments(node)
            shape = shape_of(bound["self"])
            if (
                shape is None
                or len(shape) != _IMAGE
                or bound["dim"] % _IMAGE != _IMAGE - 1
                or not is_fixed(node)
            ):
                continue
            with rewriter.at(node):
                rows = rewriter.call(aten.reshape.default, node.args[0], [math.prod(shape[:-2]), *shape[-2:]])
                result = rewriter.call(aten.softmax.int, rows, -1, bound["dtype"])
                result = rewriter.call(aten.reshape.default, result, list(shape))
            sites.append(rewriter.replace(node, result))
        return sites
