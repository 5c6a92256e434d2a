"""Sums of branches: what is added, subtracted and scaled by channel, as one list of terms and one constant."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx

from .layers import Layer, along_axis
from .norms import BatchNorm
from .rewriter import Rewriter, alike, arguments, shape_of

__all__ = ["SUMMING", "Sum", "Term"]

aten = torch.ops.aten


@dataclass(frozen=True)
class Term:
    """``factor`` (channels,) times what ``layer`` gives, its bias included; times ``source`` itself where there is none."""

    source: fx.Node
    layer: Layer | None
    factor: Tensor

    @property
    def node(self) -> fx.Node:
        return self.source if self.layer is None else self.layer.node

    def times(self, factor: Tensor) -> Term:
        return replace(self, factor=self.factor * factor)


@dataclass(frozen=True)
class Sum:
    """Its terms, plus ``shift`` (channels,), written in so many operators, of which the layers are not counted; of those
    ``norms`` are batch norms."""

    terms: tuple[Term, ...]
    shift: Tensor
    operators: int = 0
    norms: int = 0

    @classmethod
    def read(cls, rewriter: Rewriter, node: fx.Node, axis: int) -> Sum | None:
        """What ``node`` adds up, along channel axis ``axis``: through sums, differences, scales by channel and batch norms
        that nothing else reads. None if it is none of those itself."""
        shape = shape_of(node)
        if shape is None or not node.meta["val"].is_floating_point():
            return None
        return _Reader(rewriter, axis, shape).inside(node)

    def plus(self, other: Sum) -> Sum:
        return Sum(
            self.terms + other.terms,
            self.shift + other.shift,
            self.operators + other.operators,
            self.norms + other.norms,
        )

    def times(self, factor: Tensor) -> Sum:
        terms = tuple(term.times(factor) for term in self.terms)
        return replace(self, terms=terms, shift=self.shift * factor)

    def collected(self) -> tuple[Term, ...]:
        """The terms, those of one node as one."""
        found: dict[fx.Node, Term] = {}
        for term in self.terms:
            before = found.get(term.node)
            found[term.node] = term if before is None else replace(before, factor=before.factor + term.factor)
        return tuple(found.values())


@dataclass(frozen=True)
class _Reader:
    rewriter: Rewriter
    axis: int
    shape: tuple[int, ...]

    def inside(self, node: fx.Node) -> Sum | None:
        """What the operator at ``node`` sums up, and itself."""
        form = _FORMS.get(node.target)
        found = None if form is None else form(self, node)
        return None if found is None else replace(found, operators=found.operators + 1)

    def operand(self, value: object, node: fx.Node) -> Sum | None:
        """An operand of ``node``: a constant, or a sum of the same shape and type."""
        shift = self.by_channel(value)
        if shift is not None:
            return Sum((), shift)
        if not isinstance(value, fx.Node) or not alike(value, node):
            return None
        found = self.inside(value) if len(value.users) == 1 else None
        return Sum((self.term(value),), self.constant(0)) if found is None else found

    def term(self, node: fx.Node) -> Term:
        layer = Layer.read(self.rewriter, node) if len(node.users) == 1 else None
        if layer is None or layer.axis != self.axis:
            return Term(node, None, self.constant(1))
        return Term(layer.input, layer, self.constant(1))

    def by_channel(self, value: object) -> Tensor | None:
        """A number, or a constant of one for each channel, as (channels,)."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self.constant(value)
        constant = self.rewriter.constant(value)
        if constant is None or not constant.is_floating_point():
            return None
        return along_axis(constant, len(self.shape), self.axis, self.shape[self.axis])

    def constant(self, value: float) -> Tensor:
        return torch.full((self.shape[self.axis],), value, dtype=torch.float64)


def _sum(reader: _Reader, node: fx.Node) -> Sum | None:
    bound = arguments(node)
    first, second = (reader.operand(bound[name], node) for name in ("self", "other"))
    if first is None or second is None:
        return None
    factor = bound["alpha"] * (-1 if node.target is aten.sub.Tensor else 1)
    return first.plus(second.times(reader.constant(factor)))


def _product(reader: _Reader, node: fx.Node) -> Sum | None:
    bound = arguments(node)
    for value, other in ((bound["self"], bound["other"]), (bound["other"], bound["self"])):
        factor = reader.by_channel(other)
        if factor is not None:
            found = reader.operand(value, node)
            return None if found is None else found.times(factor)
    return None


def _quotient(reader: _Reader, node: fx.Node) -> Sum | None:
    bound = arguments(node)
    divisor, found = reader.by_channel(bound["other"]), reader.operand(bound["self"], node)
    if divisor is None or found is None or not bool((divisor != 0).all()):
        return None
    return found.times(1 / divisor)


def _negation(reader: _Reader, node: fx.Node) -> Sum | None:
    found = reader.operand(node.args[0], node)
    return None if found is None else found.times(reader.constant(-1))


def _norm(reader: _Reader, node: fx.Node) -> Sum | None:
    norm = BatchNorm.read(reader.rewriter, node)
    if norm is None or reader.axis != 1:
        return None
    found = reader.operand(norm.source, node)
    if found is None:
        return None
    scaled = found.times(norm.scale)
    return replace(scaled, shift=scaled.shift + norm.shift, norms=scaled.norms + 1)


_FORMS: dict[object, Callable[[_Reader, fx.Node], Sum | None]] = {
    aten.add.Tensor: _sum, aten.sub.Tensor: _sum, aten.neg.default: _negation,
    aten.mul.Tensor: _product, aten.mul.Scalar: _product,
    aten.div.Tensor: _quotient, aten.div.Scalar: _quotient,
    aten.batch_norm.default: _norm, operator.getitem: _norm,
}  # fmt: skip
SUMMING = tuple(_FORMS)
