"""Convolutions and linear layers as linear maps: their sum, and one after another, are convolutions again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx

from .layers import Layer
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["Kernel"]

aten = torch.ops.aten

_BY_NUMBER = {1: aten.conv1d.default, 2: aten.conv2d.default, 3: aten.conv3d.default}
_BY_NAME = {1: aten.conv1d.padding, 2: aten.conv2d.padding, 3: aten.conv3d.padding}


@dataclass(frozen=True)
class Kernel:
    """The map y[o, i] = sum over c, t of weight[o, c, t] x[c, stride i + first + dilation t], where x is zero outside.

    weight: (out, in / groups, *taps) in float64; ``stride``, ``first`` and ``dilation`` have a number for each axis of the
    taps. A linear layer has none.
    """

    weight: Tensor
    groups: int
    stride: tuple[int, ...]
    first: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, layer: Layer) -> Kernel:
        """What ``layer`` does, apart from its bias."""
        taps = layer.weight.shape[2:]
        bound = arguments(layer.node)
        stride, dilation = (_for_each(bound.get(name, 1), len(taps)) for name in ("stride", "dilation"))
        padding = bound.get("padding", 0)
        if padding == "same":
            left = tuple(step * (size - 1) // 2 for step, size in zip(dilation, taps))
        else:
            left = _for_each(0 if padding == "valid" else padding, len(taps))
        return cls(layer.weight, layer.groups, stride, tuple(-pad for pad in left), dilation)

    @classmethod
    def scaling(cls, factor: Tensor, taps: int) -> Kernel:
        """x times ``factor`` (channels,), as a kernel with ``taps`` axes."""
        ones, zeros = (1,) * taps, (0,) * taps
        return cls(factor.reshape(-1, 1, *ones), len(factor), ones, zeros, ones)

    @property
    def channels(self) -> tuple[int, int]:
        """Of what it takes, and of what it gives."""
        return self.weight.shape[1] * self.groups, self.weight.shape[0]

    @property
    def taps(self) -> tuple[int, ...]:
        return tuple(self.weight.shape[2:])

    @property
    def cost(self) -> int:
        """Multiply-adds for each place of the output."""
        return self.weight.numel()

    @property
    def last(self) -> tuple[int, ...]:
        """Where the last tap reads, as ``first`` says it of the first."""
        return tuple(
            start + step * (size - 1) for start, step, size in zip(self.first, self.dilation, self.taps)
        )

    @property
    def is_pointwise(self) -> bool:
        """Whether each place is made of one of the input, and none of those is outside."""
        return all(size == 1 for size in self.taps) and not any(self.first)

    def times(self, factor: Tensor) -> Kernel:
        """What it gives, times ``factor`` (out,)."""
        return replace(self, weight=self.weight * factor.reshape(-1, *[1] * (self.weight.ndim - 1)))

    def plus(self, other: Kernel, most: int) -> Kernel | None:
        """The sum of both on the coarsest grid that has the taps of both; None if there is none of at most ``most``
        multiply-adds for a place."""
        if self.stride != other.stride or self.channels != other.channels:
            return None
        first = tuple(map(min, self.first, other.first))
        last = tuple(map(max, self.last, other.last))
        steps = tuple(
            math.gcd(*between) or 1 for between in zip(self._steps, other._steps, self._apart(other))
        )
        taps = [(end - start) // step + 1 for start, end, step in zip(first, last, steps)]
        groups = math.gcd(self.groups, other.groups)
        inputs, outputs = self.channels
        if outputs * (inputs // groups) * math.prod(taps) > most:
            return None
        whole = self.weight.new_zeros(outputs, inputs // groups, *taps)
        for part in (self, other):
            places = [slice(None), slice(None)]
            for start, begin, end, step, apart in zip(part.first, first, part.last, steps, part._steps):
                places.append(
                    slice((start - begin) // step, (end - begin) // step + 1, max(1, apart // step))
                )
            whole[tuple(places)] += part._in_groups(groups)
        return Kernel(whole, groups, self.stride, first, steps)

    def then(self, outer: Kernel, most: float) -> Kernel | None:
        """``outer`` of what this gives, where one of both is pointwise; None if it takes more than ``most`` multiply-adds for
        a place, or neither is."""
        if not (self.is_pointwise or outer.is_pointwise):
            return None
        groups = math.gcd(self.groups, outer.groups)
        inputs, between = self.channels
        outputs = outer.channels[1]
        taps = outer.taps if self.is_pointwise else self.taps
        if outputs * (inputs // groups) * math.prod(taps) > most:
            return None
        after = outer._in_groups(groups).reshape(groups, outputs // groups, between // groups, -1)
        if self.is_pointwise and self.groups == inputs == between:  # a scale by channel needs no matrix
            weight = after * self.weight.reshape(groups, 1, -1, 1)
        else:
            before = self._in_groups(groups).reshape(groups, between // groups, inputs // groups, -1)
            weight = torch.einsum("gomt,gmis->goits", after, before)
        weight = weight.reshape(outputs, inputs // groups, *taps)
        stride = tuple(a * b for a, b in zip(self.stride, outer.stride))
        if not self.is_pointwise:
            return Kernel(weight, groups, stride, self.first, self.dilation)
        first, dilation = (
            tuple(a * b for a, b in zip(self.stride, values)) for values in (outer.first, outer.dilation)
        )
        return Kernel(weight, groups, stride, first, dilation)

    def of_constant(self, vector: Tensor) -> Tensor:
        """What it makes of ``vector`` (in,) at every place, where no tap is outside: (out,)."""
        of_inputs = self.weight.flatten(2).sum(-1) if self.taps else self.weight
        given = vector.reshape(self.groups, 1, -1)
        return (of_inputs.reshape(self.groups, -1, of_inputs.shape[1]) * given).sum(-1).flatten()

    def padding(self, before: Sequence[int], after: Sequence[int]) -> list[int] | str | None:
        """PyTorch's ``padding`` of a convolution that makes a map of sizes ``after`` of one of sizes ``before``; None if
        no convolution does."""
        pads = [-start for start in self.first]
        spans = [end - start for start, end in zip(self.first, self.last)]
        if min(pads, default=0) < 0:
            return None
        sizes = [
            (size + 2 * pad - span - 1) // stride + 1
            for size, pad, span, stride in zip(before, pads, spans, self.stride)
        ]
        if sizes == list(after):
            return pads
        is_same = set(self.stride) == {1} and list(before) == list(after)
        return "same" if is_same and pads == [span // 2 for span in spans] else None

    def call(self, rewriter: Rewriter, source: fx.Node, bias: Tensor | None, like: fx.Node) -> fx.Node:
        """This of ``source``, plus ``bias`` (out,), as a node of the shape and type of ``like``."""
        weight = rewriter.new_constant(self.weight, like)
        added = None if bias is None else rewriter.new_constant(bias, like)
        rank = len(self.taps)
        if not rank:
            return rewriter.call(aten.linear.default, source, weight, added)
        before, after = shape_of(source), shape_of(like)
        assert before is not None and after is not None
        padding = self.padding(before[2:], after[2:])
        assert padding is not None
        target = (_BY_NAME if padding == "same" else _BY_NUMBER)[rank]
        stride, dilation = list(self.stride), list(self.dilation)
        return rewriter.call(target, source, weight, added, stride, padding, dilation, self.groups)

    @property
    def _steps(self) -> tuple[int, ...]:
        """Between taps; 0 where there is one."""
        return tuple(step if size > 1 else 0 for step, size in zip(self.dilation, self.taps))

    def _apart(self, other: Kernel) -> tuple[int, ...]:
        return tuple(abs(one - two) for one, two in zip(self.first, other.first))

    def _in_groups(self, groups: int) -> Tensor:
        """The weight as that of fewer groups, which divide its own: zero where a channel is of another group."""
        times = self.groups // groups
        if times == 1:
            return self.weight
        outputs, inputs = self.weight.shape[:2]
        parts = self.weight.reshape(groups, times, outputs // self.groups, inputs, *self.taps)
        whole = parts.new_zeros(groups, times, outputs // self.groups, times, inputs, *self.taps)
        for place in range(times):
            whole[:, place, :, place] = parts[:, place]
        return whole.reshape(outputs, times * inputs, *self.taps)


def _for_each(value: Any, axes: int) -> tuple[int, ...]:
    """One number, or a list of one, is meant for every axis."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return values * axes if len(values) == 1 else values
