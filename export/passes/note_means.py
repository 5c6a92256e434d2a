"""What batch norms know of a network's values: the mean of each channel over the images that it was trained on."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .fold_normalization_affine import axis_after
from .layers import along_axis
from .norms import BatchNorm
from .pointwise import is_pointwise
from .producers import axis_before, concatenated
from .rewriter import MEAN, Rewriter, alike, arguments, shape_of

__all__ = ["Mean", "NoteMeans"]

aten = torch.ops.aten

_POINTS = 64  # of a normal distribution: a rectifier's mean is right within half a percent of the deviation
# What gives its input back.
_SAME = {aten.dropout.default, aten.feature_dropout.default, aten.contiguous.default, aten.detach.default}


@dataclass(frozen=True)
class Mean:
    """``values``, (channels,) in float64, along ``axis``."""

    values: Tensor
    axis: int


@dataclass(frozen=True)
class NoteMeans(Pass):
    """Note beside every value its mean by channel, where batch norms tell it: behind one it is the norm's bias, and the deviation its
    gain; activations of it are averaged over a normal distribution, as in "Data-Free Quantization Through Weight Equalization
    and Bias Correction" (Nagel et al., 2019); sums, averages, concatenations and what is moved about follow.

    Comes before passes that fold batch norms; what replaces a value inherits its mean.
    """

    law: ClassVar[str] = "nothing is rewritten: g n + h has the mean h, if n is normalized"
    exactness: ClassVar[Exactness] = Exactness.BITWISE

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        reader = _Reader(rewriter, {})
        for node in rewriter.graph.nodes:
            found = reader.read(node)
            if found is not None and bool(found.mean.isfinite().all()):
                reader.known[node] = found
                node.meta[MEAN] = Mean(found.mean, found.axis)
        return []


@dataclass(frozen=True)
class _Spread:
    """``mean`` (channels,) along ``axis``, and equally likely ``points`` (channels, points) where the distribution is known.
    Points of one ``source`` go together: what is moved is beside other numbers than before."""

    mean: Tensor
    axis: int
    points: Tensor | None
    source: fx.Node

    @classmethod
    def normal(cls, mean: Tensor, deviation: Tensor, axis: int, source: fx.Node) -> _Spread:
        return cls(mean, axis, mean[:, None] + deviation[:, None] * _standard(), source)


def _standard() -> Tensor:
    """Equally likely points of the standard normal distribution."""
    points = torch.special.ndtri((torch.arange(_POINTS, dtype=torch.float64) + 0.5) / _POINTS)
    spread: Tensor = points / points.square().mean().sqrt()
    return spread


@dataclass(frozen=True)
class _Reader:
    rewriter: Rewriter
    known: dict[fx.Node, _Spread]

    def read(self, node: fx.Node) -> _Spread | None:
        """What is known of ``node``, of what is known of those before it."""
        if node.op != "call_function" or (shape_of(node) is None and node.target is not operator.getitem):
            return None
        norm = BatchNorm.read(self.rewriter, node)
        if norm is not None:
            return _Spread.normal(norm.mean, norm.deviation, 1, node)
        form = _FORMS.get(node.target)
        if form is not None:
            return form(self, node)
        if is_pointwise(node.target):
            return self.pointwise(node)
        return self.moved(node)

    def first(self, node: fx.Node) -> _Spread | None:
        """What is known of its first operand."""
        source = node.args[0] if node.args else None
        return self.known.get(source) if isinstance(source, fx.Node) else None

    def pointwise(self, node: fx.Node) -> _Spread | None:
        """The operator itself, on the points."""
        operands = [self.known[source] for source in node.all_input_nodes if source in self.known]
        if len({item.source for item in operands}) != 1 or not node.meta["val"].is_floating_point():
            return None
        first = operands[0]

        def columns(item: object) -> object:
            if not isinstance(item, fx.Node):
                return item
            if item in self.known:
                return self.known[item].points if alike(item, node) else None
            constant, shape = self.rewriter.constant(item), shape_of(node) or ()
            if constant is None:
                return None
            numbers = along_axis(constant, len(shape), first.axis, shape[first.axis])
            return None if numbers is None else numbers[:, None]

        given = [columns(source) for source in node.all_input_nodes]
        if any(value is None for value in given) or len({item.axis for item in operands}) != 1:
            return None
        args, kwargs = pytree.tree_map(columns, (node.args, node.kwargs))
        points = node.target(*args, **kwargs)  # type: ignore[operator]
        return replace(first, mean=points.mean(1), points=points)

    def added(self, node: fx.Node) -> _Spread | None:
        """Of two sources, which are taken as independent; of one as it is."""
        bound = arguments(node)
        terms = [
            self.known.get(bound[name]) for name in ("self", "other") if isinstance(bound[name], fx.Node)
        ]
        first, second = terms if len(terms) == 2 else (None, None)
        if first is None or second is None or first.source is second.source:
            return self.pointwise(node)
        if first.axis != second.axis or not (alike(bound["self"], node) and alike(bound["other"], node)):
            return None
        factor = bound["alpha"] * (-1 if node.target is aten.sub.Tensor else 1)
        mean = first.mean + factor * second.mean
        if first.points is None or second.points is None:
            return _Spread(mean, first.axis, None, node)
        variance = first.points.var(1, correction=0) + factor**2 * second.points.var(1, correction=0)
        return _Spread.normal(mean, variance.sqrt(), first.axis, node)

    def prelu(self, node: fx.Node) -> _Spread | None:
        """Whose slopes are by channel, or one."""
        found, slopes = self.first(node), self.rewriter.constant(arguments(node)["weight"])
        if found is None or found.points is None or slopes is None or found.axis != 1:
            return None
        points = torch.where(found.points < 0, slopes.reshape(-1, 1), 1.0) * found.points
        return replace(found, mean=points.mean(1), points=points)

    def padded(self, node: fx.Node) -> _Spread | None:
        """Constants beside it take their share of the mean."""
        found, bound = self.first(node), arguments(node)
        before, after = shape_of(bound["self"]), shape_of(node)
        if found is None or before is None or after is None or before[found.axis] != after[found.axis]:
            return None
        share = 1.0
        for size, padded in zip(before, after, strict=True):
            share *= min(size / padded, 1)
        if bound["mode"] != "constant":
            share = 1.0
        mean = share * found.mean + (1 - share) * (bound["value"] or 0)
        return _Spread(mean, found.axis, None, node)

    def joined(self, node: fx.Node) -> _Spread | None:
        parts, along = concatenated(node)
        found = [self.known.get(part) for part in parts]
        known = [item for item in found if item is not None]
        if not parts or len(known) != len(parts) or any(item.axis != along for item in known):
            return None
        points = [item.points for item in known if item.points is not None]
        whole = torch.cat(points) if len(points) == len(known) else None
        return _Spread(torch.cat([item.mean for item in known]), along, whole, node)

    def piece(self, node: fx.Node) -> _Spread | None:
        """One of the chunks that a value is divided into, along its channels or another axis."""
        several, place = node.args
        if not isinstance(several, fx.Node) or several.target not in _DIVIDING or not isinstance(place, int):
            return None
        found = self.first(several)
        if found is None:
            return None
        along = arguments(several)["dim"] % len(several.meta["val"][0].shape)
        if along != found.axis:
            return replace(found, source=node)
        sizes = [value.shape[along] for value in several.meta["val"]]
        place %= len(sizes)
        part = slice(sum(sizes[:place]), sum(sizes[: place + 1]))
        points = None if found.points is None else found.points[part]
        return _Spread(found.mean[part], found.axis, points, node)

    def moved(self, node: fx.Node) -> _Spread | None:
        """Averages, selections and moves have its mean, along an axis of their own."""
        found, shape = self.first(node), shape_of(node)
        if found is None or shape is None or not isinstance(node.args[0], fx.Node):
            return None
        after = axis_after(node, node.args[0], found.axis)
        if after is not None:
            return _Spread(found.mean, after, None, node)
        axes = (axis for axis in range(len(shape)) if axis_before(node, axis) == found.axis)
        axis = next(axes, None)
        return None if axis is None else replace(found, axis=axis, source=node)


_DIVIDING = {aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default}
_FORMS: dict[Any, Callable[[_Reader, fx.Node], _Spread | None]] = {
    aten.add.Tensor: _Reader.added, aten.sub.Tensor: _Reader.added,
    aten.prelu.default: _Reader.prelu, aten.pad.default: _Reader.padded, aten.cat.default: _Reader.joined,
    operator.getitem: _Reader.piece,
    **dict.fromkeys(_SAME, _Reader.first),
}  # fmt: skip
