"""What a model loses by being computed in a number format: every operator's result rounded to it.

The trace is computed in float64 and each result rounded to the format: once to the nearest number, and several times after
every result, image and weight was moved by a drawn rounding: of itself, and of what a sum of so many terms rounds on its
way. The largest error at an output is what rounding may cost there, in whatever order a runtime adds up. It depends on the
model and its input, and not on the machine. (Stochastic arithmetic: Vignes, A stochastic arithmetic for reliable scientific
computation, 1993.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, fx

from ..source.arrays import Array
from .conditioning import (
    Statistics,
    axis_of_the_same,
    factors,
    is_exact,
    lost_by_sum,
    statistics,
    terms,
)
from .draw import Draw
from .natures import is_in_half, nature_of_node, operator_name
from .near_one import lost_of_one
from .one_sign import largest_on_the_way
from .replay import Replay, as_array
from .resizing import lost_by_places, lost_by_weights, resizes
from .wide import Call, widened

__all__ = ["Format", "Runs", "opposite_runs", "rounded_runs"]

_ROUNDOFF = {torch.float64: 2.0**-53, torch.float32: 2.0**-24, torch.float16: 2.0**-11}
_FAR = 8.0  # roundings: as far as every value that could be decided otherwise
_PLACES = (
    0.5  # roundings of a side's length, by which kernels find places on it: 0.3 to 1.3 at the worst of them
)
# Roundings for each number of a sum of one number again and again: at worst a half, and a quarter was seen (ONNX Runtime's
# ReduceL2, which adds one after the other); a margin of 4 makes it a half.
_OF_THE_SAME = 1 / 8
_OF_A_PRODUCT = 1 / 4  # roundings for each of its factors


@dataclass(frozen=True)
class Format:
    """``kind`` is what every result is rounded to, ``sums`` what sums are kept in on their way: float32 or float16.
    ``adds_in_order``: one addition after the other; else kernels keep partial sums side by side."""

    kind: torch.dtype
    sums: torch.dtype
    adds_in_order: bool = False

    @classmethod
    def of(cls, precision: str, *, narrow_sums: bool, adds_in_order: bool = False) -> Format:
        """Of activations in "float32" or "float16"; sums are as wide as float32 unless they are narrow."""
        kind = torch.float32 if precision == "float32" else torch.float16
        return cls(kind, kind if narrow_sums else torch.float32, adds_in_order)

    @property
    def label(self) -> str:
        """Tells it from other formats where figures are kept."""
        return f"{self.name}, sums fp{torch.finfo(self.sums).bits}{' in order' if self.adds_in_order else ''}"

    @property
    def roundoff(self) -> float:
        """The largest error of one rounding, over what is rounded."""
        return _ROUNDOFF[self.kind]

    @property
    def name(self) -> str:
        """As the command line says it: fp32, fp16."""
        return f"fp{torch.finfo(self.kind).bits}"

    def lost_by_sum(self, count: int) -> float:
        """The roundings of ``kind`` that a sum of so many terms loses on its way."""
        return _ROUNDOFF[self.sums] / self.roundoff * lost_by_sum(count, in_order=self.in_order)

    @property
    def in_order(self) -> bool:
        """Whether sums are taken one addition after the other, as narrow ones may be."""
        return self.adds_in_order or self.sums is torch.float16


@dataclass(frozen=True)
class Runs:
    """The watched values, in order, of runs with rounded results: ``rounded`` as if the format had no end, ``ended`` where
    it does end; None if no value reaches that."""

    rounded: list[list[Array]]
    ended: list[Array] | None


def rounded_runs(
    replay: Replay,
    inputs: Mapping[str, Array],
    form: Format,
    *,
    drawn: Sequence[int],
    is_enough: Callable[[Sequence[Sequence[Array]]], bool],
    seed: int = 0,
) -> Runs:
    """One run, as many with a draw as the first of ``drawn`` says, more until it is as many as the next while these are not
    enough, and one more where a value is beyond the format's largest."""
    first = _Rounding(form)
    runs = [_run(replay, inputs, first)]
    for count in drawn:
        if len(runs) > 1 and is_enough(runs):
            break
        numbers = range(len(runs) - 1, count)
        draws = (_attempt(replay, inputs, _Rounding(form, Draw(seed * 1000 + number))) for number in numbers)
        runs += [run for run in draws if run is not None]
    return Runs(runs, _run(replay, inputs, _Rounding(form, ends=True)) if first.went_beyond else None)


def opposite_runs(
    replay: Replay, inputs: Mapping[str, Array], form: Format, *, pairs: int, seed: int = 0
) -> Iterator[tuple[list[Array], list[Array]]]:
    """The watched values of pairs of runs, each moved by many roundings in opposite directions: what is smooth cancels in
    their mean, and what a comparison decides otherwise on one side of it does not."""
    for number in range(pairs):
        one, other = (
            _attempt(replay, inputs, _Rounding(form, Draw(seed * 1000 + number, size)))
            for size in (_FAR, -_FAR)
        )
        if one is not None and other is not None:
            yield one, other


class _Rounding:
    """What is done to every result: moved as ``draw`` says, if there is one, and rounded to the format. Unless it ``ends``,
    numbers beyond its largest keep their digits and do not become infinite."""

    def __init__(self, form: Format, draw: Draw | None = None, *, ends: bool = False) -> None:
        self.form, self.draw, self.ends = form, draw, ends
        self.went_beyond = False

    @cached_property
    def in_half(self) -> _Rounding:
        """The same of what the model itself computes in half precision, which a format may, too."""
        form = replace(self.form, kind=torch.float16)
        return self if form == self.form else _Rounding(form, self.draw, ends=True)

    def of(
        self, value: object, *, is_exact: bool = False, count: int = 0, most: Tensor | None = None
    ) -> object:
        """The value in float64 again. ``count`` are the terms that each number is the sum of, and ``most`` what their partial
        sums come to at most, where that is known; what ``is_exact`` is rounded as it is."""
        if isinstance(value, Tensor) and value.is_floating_point():
            if self.draw is not None and not is_exact and value.numel():
                return self._rounded(self._moved(value, self.draw, count, most), value)
            return self._rounded(value, value)
        if isinstance(value, Tensor) and value.is_complex():
            return self._of_complex(value, is_exact=is_exact, count=count)
        if isinstance(value, (list, tuple)):
            return [self.of(item, is_exact=is_exact, count=count) for item in value]
        return value

    def _of_complex(self, value: Tensor, *, is_exact: bool, count: int) -> Tensor:
        """Both parts, each off by a rounding of the magnitude: a part of a product is a sum, in which the other's cancel."""
        parts = torch.view_as_real(value.resolve_conj())
        if self.draw is not None and not is_exact:
            parts = parts + self.draw.signs(parts) * (self.form.roundoff * value.abs()[..., None])
        found = self.of(parts, is_exact=is_exact, count=count)
        assert isinstance(found, Tensor)
        return torch.view_as_complex(found.contiguous())

    def of_pixels(self, value: object) -> object:
        """An image whose mean was subtracted, and its deviation divided by, in the format: what is rounded there is the same
        for all of a channel's pixels."""
        if self.draw is None or not isinstance(value, Tensor):
            return value
        largest = value.abs().amax((0, 2, 3), keepdim=True)
        return value + self.draw.signs(largest) * (self.form.roundoff * largest)

    def of_resized(self, value: object, lost: float, weights: float) -> object:
        """A resizing's result with its places off, and its weights by so many roundings of it; ``lost`` is what a rounding of
        the places changes, over the roundoff."""
        if self.draw is None or not isinstance(value, Tensor):
            return value
        if weights:
            value = value * (1 + self.draw.signs(value) * (weights * _ROUNDOFF[torch.float32]))
        return (
            value
            if not lost
            else value + self.draw.signs(value) * (_PLACES * lost * _ROUNDOFF[torch.float32])
        )

    def of_normalized(self, value: object, found: Statistics) -> object:
        """A normalization's result, with mean and variance off by what sums lose: alike for all numbers that share them,
        which are on one side or the other of theirs."""
        if self.draw is not None and isinstance(value, Tensor):
            share, beside = found.moved(_ROUNDOFF[self.form.sums], in_order=self.form.in_order)
            one, other = self.draw.sign(), self.draw.sign()
            value = value * (1 + one * share) + other * beside * value.square().mean().sqrt()
        return self.of(value)

    def of_the_same(self, value: object, count: int, axis: int) -> object:
        """A sum of so many numbers that are one and the same: it is off to one side, and nothing cancels. Which side depends
        on the number, so it is drawn for each index of ``axis``."""
        if self.draw is None or not isinstance(value, Tensor):
            return value
        share = _ROUNDOFF[self.form.sums] * _OF_THE_SAME * count
        if not value.ndim:
            return value * (1 + self.draw.sign() * share)
        axis = min(axis, value.ndim - 1)
        signs = self.draw.signs(torch.empty(value.shape[axis]))
        signs = signs.reshape([-1 if place == axis % value.ndim else 1 for place in range(value.ndim)])
        return value * (1 + signs * share)

    def of_one(self, value: object, roundings: float) -> object:
        """What is off by so many roundings of one."""
        if self.draw is None or not isinstance(value, Tensor):
            return value
        return value + self.draw.signs(value) * (self.form.roundoff * roundings)

    def of_a_product(self, value: object, count: int) -> object:
        """A product of so many numbers, each rounded before the next: those that are nearly the same are rounded alike."""
        if self.draw is None or not isinstance(value, Tensor):
            return value
        return value * (1 + self.draw.signs(value) * (self.form.roundoff * _OF_A_PRODUCT * count))

    def _moved(self, value: Tensor, draw: Draw, count: int, most: Tensor | None = None) -> Tensor:
        unit = self.form.roundoff
        moved = value * draw.factors(value, unit)
        lost = self.form.lost_by_sum(count)
        if lost >= 1 or (
            draw.is_far and count > 1
        ):  # partial sums of n terms t with the sum s: about (s^2 / 3 + sum(t^2))^(1/2)
            squares = value.square()
            mean = float(squares.mean())
            if not math.isfinite(mean):  # a masked place has no digits, and takes none from the others
                squares = torch.nan_to_num(squares, 0.0, 0.0)
                mean = float(squares.mean())
            sizes = squares.div_(3).add_(mean).sqrt_()  # in place: these tensors are large
            if most is not None:
                torch.minimum(sizes, most, out=sizes)
            sizes.mul_(unit * lost)
            moved.addcmul_(draw.signs(value), sizes)
        return moved

    def of_constant(self, value: object) -> object:
        """What the format ends before is stored as its largest number."""
        if self.ends and isinstance(value, Tensor) and value.is_floating_point():
            return torch.where(value.isfinite(), value.clamp(-self._largest, self._largest), value)
        return value

    def of_number(self, call: Call, values: Mapping[fx.Node, object]) -> object:
        """An operator's result, with small numbers of the graph as the format stores them; where the format ends before it
        because it ends before a number of the graph, what its largest gives, and of a product the largest itself."""
        found = (call.stored(self.form.kind, begins=True) or call).wide(values)
        stored = call.stored(self.form.kind, begins=True, ends=True) if self.ends else None
        if stored is None or not isinstance(found, Tensor) or not found.is_floating_point():
            return found
        is_product = operator_name(call.node.target) == "mul"
        other = found.clamp(-self._largest, self._largest) if is_product else stored.wide(values)
        assert isinstance(other, Tensor)
        return torch.where(found.isfinite() & (found.abs() > self._largest), other, found)

    @property
    def _largest(self) -> float:
        return torch.finfo(self.form.kind).max

    def _rounded(self, value: Tensor, before: Tensor) -> Tensor:
        """``value``, which ``before`` was moved to: but for what the format ends before, which it gives no digits."""
        found = value.to(self.form.kind).to(value.dtype)
        if self.ends or bool(found.sum().isfinite()):  # a sum of what is finite, far from where float64 ends
            return found
        beyond = found.isinf() & value.isfinite()
        if not bool(beyond.any()):
            return found
        self.went_beyond = True
        digits, exponents = torch.frexp(torch.where(before.isfinite(), before, value))
        scale = 0.5 / self.form.roundoff
        return torch.where(beyond, torch.ldexp((digits * scale).round() / scale, exponents), found)


def _off(node: fx.Node, found: object, values: Mapping[fx.Node, object], rounding: _Rounding) -> object:
    """A node's result, off by what its kernel may lose and rounded."""
    is_drawn = nature_of_node(node) == "normalizes" and rounding.draw is not None
    normalized = statistics(node, values) if is_drawn else None
    if normalized is not None:
        return rounding.of_normalized(found, normalized)
    count = terms(node, values)
    axis = axis_of_the_same(node, values) if count else None
    multiplied = factors(node, values)
    if multiplied:
        found = rounding.of_a_product(found, multiplied)
    ones = lost_of_one(node, values, str(rounding.form.kind).removeprefix("torch."))
    if ones:
        found = rounding.of_one(found, ones / 2)
    if resizes(node):
        found = rounding.of_resized(found, lost_by_places(node, values), lost_by_weights(node))
    elif axis is not None:
        found = rounding.of_the_same(found, count, axis)
    is_moved = rounding.draw is not None and count > 1
    return rounding.of(found, count=count, most=largest_on_the_way(node, values) if is_moved else None)


def _attempt(replay: Replay, inputs: Mapping[str, Array], rounding: _Rounding) -> list[Array] | None:
    """A run with a draw; None where an operator does not take what its operands were moved to, such as a place before the
    first."""
    try:
        return _run(replay, inputs, rounding)
    except (RuntimeError, IndexError):
        return None


@torch.no_grad()
def _run(replay: Replay, inputs: Mapping[str, Array], rounding: _Rounding) -> list[Array]:
    values: dict[fx.Node, object] = {
        node: rounding.of(rounding.of_constant(widened(value)), is_exact=not replay.is_weight(node))
        for node, value in replay.constants.items()
    }
    roles = (spec.role for spec in replay.signature.inputs)
    for (node, value), role in zip(replay.fed(inputs).items(), roles, strict=True):
        given = widened(value)
        values[node] = rounding.of(rounding.of_pixels(given) if role == "image" else given)
    wide = rounding
    for node, call in replay.computed.items():
        rounding = wide.in_half if is_in_half(node) else wide
        nature, found = nature_of_node(node), rounding.of_number(call, values)
        if nature == "moves" or is_exact(node, values, found, rounding.form.roundoff):
            values[node] = rounding.of(found, is_exact=True)
        else:
            values[node] = _off(node, found, values, rounding)
        for source in replay.last_read[node]:
            del values[source]
    return [as_array(values[node]) for node in replay.watched]
