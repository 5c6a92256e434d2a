"""Depthwise convolutions in the form that takes ONNX Runtime the fewest instructions on arm64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .depthwise import FORMS, Offer, Site
from .rewriter import Rewriter, read_constant

__all__ = ["LowerDepthwise"]

aten = torch.ops.aten

_A_CALL = 2900  # instructions, counted in chains of operators of 16 numbers
_AN_OPERATOR = 75  # numbers of four bytes that it takes in a file: its name, those of its values, and where it comes from


@dataclass(frozen=True)
class LowerDepthwise(Pass):
    """Write each depthwise convolution in one of ``forms``, or leave it as it is: whatever takes the fewest instructions.

    Some forms store more numbers than the kernel has. Together they stay below ``max_growth`` times all numbers that the graph
    stores: what saves most instructions for a number comes first.
    """

    law: ClassVar[str] = "conv(x, w) = a sum of smaller ones, or one product a channel"
    exactness: ClassVar[Exactness] = Exactness.REAL

    forms: tuple[str, ...] = tuple(FORMS)
    max_growth: float = 0.1

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        found = [
            Site.read(rewriter, node) for node in rewriter.nodes(aten.conv2d.default, aten.conv2d.padding)
        ]
        choices = [
            _Choice(site, [offer for name in self.forms for offer in FORMS[name](site)])
            for site in found
            if site is not None
        ]
        _choose(choices, self.max_growth * _stored(rewriter))
        changed = []
        for choice in choices:
            node = choice.site.layer.node
            if choice.chosen is not None:
                with rewriter.at(node):
                    changed.append(rewriter.replace(node, choice.chosen.write(rewriter)))
        return changed


def _stored(rewriter: Rewriter) -> int:
    """The numbers that the graph has."""
    names = {str(node.target): node for node in rewriter.graph.nodes if node.op == "get_attr"}
    constants = (read_constant(rewriter.graph_module, node) for node in names.values())
    return sum(constant.numel() for constant in constants if constant is not None)


@dataclass
class _Choice:
    """What one site has so far: an offer, or None for what it is."""

    site: Site
    offers: Sequence[Offer]
    chosen: Offer | None = None

    @property
    def instructions(self) -> float:
        """Of all channels, and of calling each operator."""
        channels = self.site.before[0] * self.site.before[1]
        if self.chosen is None:
            return channels * self.site.instructions + _A_CALL
        return channels * self.chosen.instructions + _A_CALL * self.chosen.operators

    @property
    def numbers(self) -> int:
        """What it stores, and what its operators take in the file."""
        if self.chosen is None:
            return self.site.numbers + _AN_OPERATOR
        return self.chosen.numbers + _AN_OPERATOR * self.chosen.operators

    def with_offer(self, offer: Offer) -> _Choice:
        return _Choice(self.site, self.offers, offer)


def _choose(choices: Sequence[_Choice], budget: float) -> None:
    """For each site an offer, or none, so that what they store beyond the kernels stays within ``budget`` numbers. Of all the steps from
    what a site has to one that takes fewer instructions, the one that saves most for each number it adds is taken, while it can be
    paid."""
    zeros: set[tuple[int, ...]] = set()  # those that are stored by now
    while True:
        steps = []
        for place, choice in enumerate(choices):
            for offer in choice.offers:
                other = choice.with_offer(offer)
                saved = choice.instructions - other.instructions
                added = other.numbers - choice.numbers + sum(map(math.prod, offer.zeros - zeros))
                if saved > 0 and added <= budget:
                    steps.append((saved / max(added, 1), added, place, offer))
        if not steps:
            return
        _, added, place, offer = max(steps, key=lambda step: step[0])
        choices[place].chosen = offer
        zeros |= offer.zeros
        budget -= added
