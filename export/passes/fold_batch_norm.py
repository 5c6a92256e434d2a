"""Batch norm in evaluation mode is a scale and a shift per channel: the layers before it can do both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .norms import BatchNorm
from .producers import Producer
from .rewriter import Rewriter

__all__ = ["FoldBatchNorm"]


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """Fold a batch norm into the convolution, transposed convolution or linear layer that alone feeds it, or into all the
    layers whose sum or concatenation it normalizes, through reshapes and permutations.

    Left alone: training mode, computed weights, something else that reads a layer, or that is in the sum.
    """

    law: ClassVar[str] = (
        "g (W x + b - m) / sqrt(v + e) + h = (s W) x + s (b - m) + h with s = g / sqrt(v + e)"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for norm in BatchNorm.each(rewriter):
            # Along axis 1, which is a linear layer's last one only at rank 2, and of its rows behind a reshape.
            producers = Producer.all_of(rewriter, norm.source, axis=1)
            if not producers:
                continue
            before = norm.node.all_input_nodes[0]
            sites.append(rewriter.replace(norm.node, norm.source))
            # At once, so that a norm after this one finds the layer with one reader.
            for unread in list(before.users) or [before]:
                rewriter.erase_unread(unread)
            for producer in producers:
                shift = norm.shift[producer.channels] if producer.takes_shift else None
                producer.layer.scaled(rewriter, norm.scale[producer.channels], shift)
        return sites
