"""Layers of one input that are added up, and layers that read one another alone, are one layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .branches import Branch, total
from .layers import LAYERS, Layer
from .rewriter import Rewriter, arguments, shape_of
from .sums import SUMMING, Sum

__all__ = ["MergeLayers"]

aten = torch.ops.aten


@dataclass(frozen=True)
class MergeLayers(Pass):
    """Structural re-parameterization: merge branches of one input, and 1 x 1 convolutions with those beside them.

    Branches are convolutions, linear layers, batch norms and the input itself, added, subtracted and scaled by channel,
    in any number and order; sums in sums are one. Two are merged if one convolution has the taps of both, with their stride,
    and zeros alone around the input. A 1 x 1 convolution, or a scale and shift by channel, as of a batch norm, is joined with
    the convolution that alone reads it; a convolution with the 1 x 1 that alone reads it.

    Left alone: whatever would need more multiply-adds, a bias in front of a convolution that pads, a layer that is read
    elsewhere, other strides, and computed weights.
    Source: X. Ding et al., RepVGG: Making VGG-style ConvNets Great Again, arXiv 2101.03697.
    """

    law: ClassVar[str] = (
        "r (A x + a) + s (B x + b) + t x = (r A + s B + t) x + (r a + s b); B (A x + a) + b = (B A) x + (B a + b)"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites: list[Origin] = []
        while True:  # what is merged may be read by, or read, another that can be merged with it
            found = [*_joined(rewriter), *_merged(rewriter)]
            if not found:
                return sites
            sites += found


def _joined(rewriter: Rewriter) -> Iterator[Origin]:
    """Every layer with the one that it alone reads, if that may be; the sites."""
    for node in rewriter.nodes(*LAYERS):
        before = arguments(node)["input"]
        outer = Layer.read(rewriter, node) if len(before.users) == 1 else None
        inner = None if outer is None else _before(rewriter, before, outer)
        joined = None if outer is None or inner is None else inner.then(outer)
        if joined is None:
            continue
        with rewriter.at(node):
            new = joined.call(rewriter, node)
        yield rewriter.replace(node, new)
        rewriter.erase_unread(before)


def _before(rewriter: Rewriter, node: fx.Node, outer: Layer) -> Branch | None:
    """What ``node`` does, if it is a layer, or a value that is scaled and shifted, along the channel axis of ``outer``, which
    reads it."""
    layer = Layer.read(rewriter, node)
    if layer is not None:
        is_alike = layer.axis == outer.axis and layer.weight.ndim == outer.weight.ndim
        return Branch.of_layer(layer) if is_alike else None
    found = Sum.read(rewriter, node, outer.axis)
    if found is None or len(found.terms) != 1:
        return None
    branch = Branch.of(found.terms[0], outer.weight.ndim - 2)
    return replace(branch, bias=total(branch.bias, found.shift))


def _merged(rewriter: Rewriter) -> Iterator[Origin]:
    """Every sum whose branches can be merged, the largest sums first; the sites."""
    for node in reversed(rewriter.nodes(*SUMMING)):
        rank = len(shape_of(node) or ())
        for axis in {1, rank - 1} if node.users and rank > 1 else ():
            found = Sum.read(rewriter, node, axis)
            merged = None if found is None else _Merged.of(found, node, taps=rank - 2 if axis == 1 else 0)
            if merged is not None:
                operands = node.all_input_nodes
                with rewriter.at(node):
                    new = merged.call(rewriter, node)
                yield rewriter.replace(node, new)
                for operand in operands:
                    rewriter.erase_unread(operand)
                break


@dataclass(frozen=True)
class _Merged:
    """What a sum is after its branches were merged: fewer of them, and ``shift``."""

    branches: tuple[Branch, ...]
    shift: Tensor | None

    @classmethod
    def of(cls, found: Sum, node: fx.Node, taps: int) -> _Merged | None:
        """None if nothing can be merged, or it would not be fewer operators."""
        terms = found.collected()
        layers = sum(term.layer is not None for term in terms)
        if len({term.source for term in terms}) == len(found.terms) or not layers + found.norms:
            return None
        places = {term.node: place for place, term in enumerate(terms)}
        branches = _put_together([Branch.of(term, taps) for term in terms], node)
        branches.sort(key=lambda branch: min(places[term.node] for term in branch.terms))
        merged = cls(tuple(branches), found.shift if bool(found.shift.any()) else None)
        is_merged = len(branches) < len(found.terms) and merged._operators < found.operators + layers
        return merged if is_merged and merged._is_possible else None

    @property
    def _is_possible(self) -> bool:
        """Whether a layer takes up the shift, if there is one, and none is needed to scale a value without places."""
        is_scale = (
            not branch.sign and not branch.kernel.taps and branch.kernel.groups > 1
            for branch in self.branches
        )
        return (self.shift is None or self._takes_shift is not None) and not any(is_scale)

    @property
    def _takes_shift(self) -> Branch | None:
        """The branch whose bias the shift becomes: one that is made anew, or else one that is a layer."""
        made = [branch for branch in self.branches if not branch.sign]
        layers = [branch for branch in self.branches if branch.terms[0].layer is not None]
        return next(iter([*made, *layers]), None)

    @property
    def _operators(self) -> int:
        layers = sum(not branch.sign or branch.terms[0].layer is not None for branch in self.branches)
        return layers + len(self.branches) - 1

    def call(self, rewriter: Rewriter, node: fx.Node) -> fx.Node:
        """The sum anew, those terms first that are not subtracted."""
        takes_shift = self._takes_shift if self.shift is not None else None
        signed = []
        for branch in self.branches:
            shift = self.shift if branch is takes_shift else None
            is_there = branch.sign and shift is None
            value = branch.terms[0].node if is_there else branch.call(rewriter, node, shift)
            signed.append((branch.sign if is_there else 1, value))
        signed.sort(key=lambda term: -term[0])
        whole = signed[0][1]
        if signed[0][0] < 0:
            whole = rewriter.call(aten.neg.default, whole)
        for sign, value in signed[1:]:
            whole = rewriter.call(aten.add.Tensor if sign > 0 else aten.sub.Tensor, whole, value)
        return whole


def _put_together(branches: list[Branch], node: fx.Node) -> list[Branch]:
    """The branches of the sum ``node``, each in the first that it can be merged into, those of many multiply-adds first."""
    found: list[Branch] = []
    for branch in sorted(branches, key=lambda one: -one.cost):
        for place, host in enumerate(found):
            whole = host.plus(branch, node)
            if whole is not None:
                found[place] = whole
                break
        else:
            found.append(branch)
    return found
