"""A branch is what one convolution or linear layer makes of a value; two may be one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, fx

from .kernels import Kernel
from .layers import Layer
from .rewriter import Rewriter, shape_of
from .sums import Term

__all__ = ["Branch", "total"]


@dataclass(frozen=True)
class Branch:
    """``kernel`` of ``source``, plus ``bias``: what ``terms`` add up to, which took ``cost`` multiply-adds for a place."""

    source: fx.Node
    kernel: Kernel
    bias: Tensor | None
    cost: int
    terms: tuple[Term, ...] = ()

    @classmethod
    def of(cls, term: Term, taps: int) -> Branch:
        """One term, of values with ``taps`` axes beside batch and channels; 0 where layers are linear."""
        if term.layer is None:
            return cls(term.source, Kernel.scaling(term.factor, taps), None, 0, (term,))
        plain = cls.of_layer(term.layer)
        bias = None if plain.bias is None else plain.bias * term.factor
        return replace(plain, kernel=plain.kernel.times(term.factor), bias=bias, terms=(term,))

    @classmethod
    def of_layer(cls, layer: Layer) -> Branch:
        """The layer as it is."""
        kernel = Kernel.of(layer)
        return cls(layer.input, kernel, layer.bias, kernel.cost)

    def plus(self, other: Branch, node: fx.Node) -> Branch | None:
        """Both as one convolution that gives the shape of ``node``; None if there is none, or it takes more."""
        cost = self.cost + other.cost
        kernel = self.kernel.plus(other.kernel, cost) if self.source is other.source else None
        if kernel is None or not _can_be_called(kernel, self.source, node):
            return None
        return Branch(self.source, kernel, total(self.bias, other.bias), cost, self.terms + other.terms)

    def then(self, outer: Layer) -> Branch | None:
        """``outer`` of this, as one convolution; None if there is none, or it takes more."""
        after = Kernel.of(outer)
        has_bias = self.bias is not None and bool(self.bias.any())
        if has_bias and not outer.pads_nothing:
            return None
        before, node = outer.input, outer.node
        most = after.cost + self.cost * _places(before, self.kernel) / _places(node, after)
        kernel = self.kernel.then(after, most)
        if kernel is None or not _can_be_called(kernel, self.source, node):
            return None
        moved = after.of_constant(self.bias) if self.bias is not None and has_bias else None
        return Branch(self.source, kernel, total(outer.bias, moved), int(most))

    def call(self, rewriter: Rewriter, like: fx.Node, shift: Tensor | None = None) -> fx.Node:
        """The layer that it is, plus ``shift``, as a node of the shape and type of ``like``."""
        return self.kernel.call(rewriter, self.source, total(self.bias, shift), like)

    @property
    def sign(self) -> int:
        """1 or -1 if it is a single term as the graph already has it, to be added or subtracted; else 0."""
        factor = self.terms[0].factor
        return next((sign for sign in (1, -1) if len(self.terms) == 1 and bool((factor == sign).all())), 0)


def total(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The sum of two biases, of which either may be absent."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _can_be_called(kernel: Kernel, source: fx.Node, node: fx.Node) -> bool:
    before, after = shape_of(source), shape_of(node)
    if before is None or after is None:
        return False
    return not kernel.taps or kernel.padding(before[2:], after[2:]) is not None


def _places(node: fx.Node, kernel: Kernel) -> int:
    """How often ``kernel`` is applied to make the value of ``node``."""
    numbers: int = node.meta["val"].numel()
    return numbers // kernel.channels[1]
