"""What rounding may cost one output on one input, part by part.

Boxes to 640 beside scores to 1 in one tensor are parts of their own: each index of an axis is held to what its own
elements lose, where it has enough of them to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..source.arrays import Array

__all__ = ["RoundingLoss", "cosine", "errors"]

_SMOOTH = 2.0  # times the loss: farther from the reference, the mean of two opposite runs is not by rounding
_ENOUGH = 32  # elements, from which on a part has figures of its own
_MANY = 8  # of them that are off by half as much as the one that is off most: fewer say little of what another draw would give


@dataclass(frozen=True)
class RoundingLoss:
    """``whole`` is the largest error over all elements and runs, in the output's units; infinite if a run is not finite
    where the reference is. ``axes``: for each axis, the largest error by index. ``cosine``: the smallest of any run.
    ``jumps``: how far each element jumps where rounding decides a comparison before it otherwise, 0 where it does not. None
    if nothing before the output decides. ``ended``: the largest error where the format ends before a value, which all other
    figures leave out; 0 if none reaches its end. ``is_stated`` is False of what was never measured."""

    whole: float
    cosine: float
    axes: tuple[Array, ...]
    jumps: Array | None = None
    ended: float = 0.0
    is_stated: bool = True

    @classmethod
    def of(
        cls,
        want: Array,
        runs: Sequence[Array],
        pairs: Sequence[tuple[Array, Array]] = (),
        ended: Array | None = None,
    ) -> RoundingLoss:
        """Of the reference's output, and the same output of every run: ``runs`` and ``ended`` as
        :class:`.rounding.Runs` has them, ``pairs`` moved in opposite directions."""
        at_the_end = np.zeros(want.shape) if ended is None else errors(ended, want)
        if want.dtype.kind != "f":
            farthest, decided = np.zeros(want.shape), np.zeros(want.shape, bool)
            for found in (*runs, *(one for pair in pairs for one in pair)):
                farthest = np.maximum(farthest, errors(found, want))
                decided |= ended is not None and found == ended
            beyond = float(at_the_end[~decided].max(initial=0))
            return cls(0.0, 1.0, (), farthest.astype(np.float32), beyond)
        beyond = float(at_the_end.max(initial=0))
        worst = np.zeros(want.shape)
        least = 1.0
        for found in runs:
            worst = np.maximum(worst, errors(found, want))
            least = min(least, cosine(found, want))
        smooth = cls(float(worst.max(initial=0)), least, _by_axis(worst, are_drawn=True), None, beyond)
        if not pairs:
            return smooth
        jumps = _jumps(want, smooth._without(worst, _one_sided(want, pairs)), pairs)
        return replace(smooth._without(worst, jumps > 0), jumps=jumps)

    def _without(self, worst: Array, left_out: Array) -> RoundingLoss:
        """The same without the elements that are left out, unless these are all."""
        if left_out.all() or not left_out.any():
            return self
        rest = np.where(left_out, 0.0, worst)
        return replace(self, whole=float(rest.max(initial=0)), axes=_by_axis(rest, are_drawn=True))

    def to_arrays(self) -> dict[str, Array]:
        """All figures in a row, and the jumps, rounded up to float32."""
        figures = np.concatenate([[self.whole, 1 - self.cosine, self.ended], *self.axes])
        with np.errstate(over="ignore"):
            rounded = np.nextafter(figures.astype(np.float32), np.float32(np.inf), dtype=np.float32)
        rounded[figures == 0] = 0
        jumps = self.jumps
        return {"loss": rounded} | (
            {} if jumps is None or not jumps.any() else {"jumps": jumps.astype(np.float32)}
        )

    @classmethod
    def unknown(cls, want: Array, share: float) -> RoundingLoss:
        """As large everywhere: ``share`` of the largest value."""
        if want.dtype.kind != "f":
            return cls(0.0, 1.0, (), is_stated=False)
        whole = share * float(np.abs(want[np.isfinite(want)]).max(initial=0))
        return cls(whole, 1.0, tuple(np.full(size, whole) for size in want.shape), is_stated=False)

    @classmethod
    def from_arrays(
        cls, figures: Array, jumps: Array | None, shape: tuple[int, ...], *, is_number: bool
    ) -> RoundingLoss:
        """What :meth:`to_arrays` gave for an output of this shape; :class:`ValueError` if it cannot have."""
        axes = shape if is_number else ()
        for values, wanted in ((figures, (3 + sum(axes),)), (jumps, shape)):
            if values is not None and (
                values.shape != wanted or values.dtype != np.float32 or not (values >= 0).all()
            ):
                raise ValueError(f"{values.dtype} {list(values.shape)}")
        numbers = figures.astype(np.float64)
        places = np.cumsum([3, *axes])
        split = tuple(numbers[first:last] for first, last in pairwise(places))
        return cls(float(numbers[0]), 1 - float(numbers[1]), split, jumps, float(numbers[2]))

    def allowed(self, want: Array, margin: float, least: float) -> Array:
        """The largest error that passes at each element: ``margin`` times what its part loses, and not below ``least``
        of its part's largest magnitude."""
        sizes = np.where(np.isfinite(want), np.abs(want), 0)
        losses, largest = (
            _spread(self.whole, self.axes, want.shape),
            _spread(float(sizes.max(initial=0)), _by_axis(sizes), want.shape),
        )
        found: Array = np.maximum(margin * losses, least * largest)
        return found

    def with_jumps(self, limits: Array) -> Array:
        """What passes where an element may jump as well."""
        if self.jumps is None:
            return limits
        found: Array = np.where(self.jumps > 0, limits + 2 * self._reach(self.jumps), limits)
        return found

    def undecided(self, got: Array, want: Array) -> Array:
        """Of integers and truths, where rounding decides, and ``got`` is about as near as what it was seen to give."""
        if self.jumps is None:
            return np.zeros(want.shape, bool)
        found: Array = (self.jumps > 0) & (errors(got, want) <= 2 * self._reach(self.jumps))
        return found

    def _reach(self, jumps: Array) -> Array:
        """How far an element may jump that does: as far as any of its part did, for the place that is chosen of many that are
        as good is another in every run."""
        return _spread(float(jumps.max(initial=0)), _by_axis(jumps), jumps.shape)


def errors(got: Array, want: Array) -> Array:
    """The difference of each element; none where both are the same infinity or no number, infinite where one alone is."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore", over="ignore"):
        found = np.where(same, 0.0, np.abs(got - want))
    return np.where(np.isnan(found), np.inf, found)


def cosine(got: Array, want: Array) -> float:
    """Of the angle between both as vectors: 1 if both are zero or the same, 0 if only one is zero or is not finite where
    the other is."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    there = np.isfinite(want)
    if not np.isfinite(got[there]).all() or not (errors(got[~there], want[~there]) == 0).all():
        return 0.0
    got, want = got[there], want[there]
    # Scaled, so that no square leaves float64's range.
    scale = float(max(np.abs(want).max(initial=0), np.abs(got).max(initial=0))) or 1.0
    got, want = got / scale, want / scale
    lengths = math.sqrt(float((want**2).sum())) * math.sqrt(float((got**2).sum()))
    return float((got * want).sum() / lengths) if lengths else float((got == want).all())


def _one_sided(want: Array, pairs: Sequence[tuple[Array, Array]]) -> Array:
    """Where opposite runs of any pair are not on opposite sides of the reference, by and large: what jumped on one side of it
    is half as far in their mean."""
    found = np.zeros(want.shape, bool)
    for one, other in pairs:
        with np.errstate(invalid="ignore"):
            middle = errors((np.asarray(one, np.float64) + other) / 2, want)
        found |= middle > np.maximum(errors(one, want), errors(other, want)) / 4
    return found


def _jumps(want: Array, smooth: RoundingLoss, pairs: Sequence[tuple[Array, Array]]) -> Array:
    """How far the runs of any pair are from the reference where their mean is too far from it for what is smooth."""
    limits = smooth.allowed(want, _SMOOTH, 0.0)
    found = np.zeros(want.shape)
    for one, other in pairs:
        first, second = errors(one, want), errors(other, want)
        with np.errstate(invalid="ignore"):
            middle = errors((np.asarray(one, np.float64) + other) / 2, want)
        found = np.where(middle > limits, np.maximum(found, np.maximum(first, second)), found)
    return found


def _by_axis(values: Array, *, are_drawn: bool = False) -> tuple[Array, ...]:
    """The largest of the values at each index of each axis; of all of them on axes whose parts are too small, and, where the
    values ``are_drawn``, for a part whose largest is one of few: another draw would have given another."""
    whole = values.max(initial=0)
    found = []
    for axis, size in enumerate(values.shape):
        others = tuple(other for other in range(values.ndim) if other != axis)
        if not size or values.size // size < _ENOUGH:
            found.append(np.full(size, whole))
            continue
        largest = values.max(axis=others, keepdims=True)
        if are_drawn:
            many = (2 * values >= largest).sum(axis=others, keepdims=True) >= _MANY
            largest = np.where(many, largest, whole)
        found.append(largest.reshape(-1))
    return tuple(found)


def _spread(whole: float, axes: Sequence[Array], shape: tuple[int, ...]) -> Array:
    """The smallest figure of any part that an element is in."""
    found = np.full(shape, whole)
    for axis, values in enumerate(axes):
        found = np.minimum(found, values.reshape([-1 if other == axis else 1 for other in range(len(shape))]))
    return found
