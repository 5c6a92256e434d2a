"""Sampling at places that are known, or between more pixels than a converter knows of, by the pixels' places."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter

__all__ = ["LowerSampling"]

aten = torch.ops.aten

_BILINEAR, _NEAREST, _CUBIC = range(3)  # of ``interpolation_mode``
_ZEROS, _BORDER, _REFLECTION = range(3)  # of ``padding_mode``


@dataclass(frozen=True)
class LowerSampling(Pass):
    """Write sampling by a grid as sums of pixels that are taken by their places, where the grid depends on no input: then
    places and weights are constants. coremltools takes no such grid. Cubic sampling and that of volumes, which it does not know,
    are written so by any grid; ``everywhere``, all sampling is, for a format that has none.
    """

    everywhere: bool = False

    law: ClassVar[str] = (
        "sampled(x, grid)[p] = sum of w x[place] over what lies next to grid[p] along each axis"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(
            dict.fromkeys(
                (aten.grid_sampler.default, aten.grid_sampler_2d.default, aten.grid_sampler_3d.default),
                self._sampled,
            )
        )

    def _sampled(self, rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
        is_image = bound["input"].meta["val"].ndim == 4
        is_known = bound["interpolation_mode"] != _CUBIC and _is_given(bound["grid"])
        if is_image and is_known and not self.everywhere:
            return None
        names = ("input", "grid", "interpolation_mode", "padding_mode", "align_corners")
        found: fx.Node = rewriter.write(_by_places, *(bound[name] for name in names))
        return found


def _is_given(node: fx.Node) -> bool:
    """Whether the node depends on an input."""
    seen: set[fx.Node] = set()
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if item.op == "placeholder":
            return True
        if item not in seen:
            seen.add(item)
            waiting += item.all_input_nodes
    return False


def _by_places(x: Tensor, grid: Tensor, mode: int, padding: int, aligned: bool) -> Tensor:
    """Each axis has its own places and weights: ``grid`` names the last one first."""
    batch, channels, *sizes = x.shape
    points = grid.flatten(1, -2)
    taps = [_taps(points[..., -1 - axis], size, mode, padding, aligned) for axis, size in enumerate(sizes)]
    found = _summed(x.flatten(2), list(zip(taps, sizes, strict=True)), None)
    return found.reshape(batch, channels, *grid.shape[1:-1])


def _summed(
    pixels: Tensor, axes: list[tuple[list[tuple[Tensor, Tensor]], int]], before: Tensor | None
) -> Tensor:
    """The sum along the first of ``axes`` of the sums along the others; ``before`` is the place along those that are done."""
    if not axes:
        assert before is not None
        return _picked(pixels, before)
    (taps, size), *rest = axes
    terms = []
    for place, share in taps:
        index = place if before is None else before * size + place
        terms.append(_summed(pixels, rest, index) * share.unsqueeze(1))
    return functools.reduce(torch.add, terms)


def _picked(pixels: Tensor, index: Tensor) -> Tensor:
    if len(index) == 1:
        return pixels.index_select(2, index[0])
    return pixels.gather(2, index.unsqueeze(1).expand(-1, pixels.shape[1], -1))


def _taps(points: Tensor, size: int, mode: int, padding: int, aligned: bool) -> list[tuple[Tensor, Tensor]]:
    """Along an axis, the places that are looked at, and what each counts."""
    points = (points + 1) / 2 * (size - 1) if aligned else ((points + 1) * size - 1) / 2
    if mode == _CUBIC:
        low = points.floor()
        places = [_inside(low + step, size, padding, aligned) for step in (-1, 0, 1, 2)]
        shares = _cubic(points - low)
    else:
        points = _inside(points, size, padding, aligned)
        low = points.round() if mode == _NEAREST else points.floor()
        places = [low] if mode == _NEAREST else [low, low + 1]
        shares = [torch.ones_like(points)] if mode == _NEAREST else [low + 1 - points, points - low]
    return [
        (
            place.clamp(0, size - 1).to(torch.int64),
            share * torch.logical_and(place >= 0, place <= size - 1).to(share.dtype),
        )
        for place, share in zip(places, shares, strict=True)
    ]


def _cubic(part: Tensor) -> list[Tensor]:
    """The weights of the four pixels about a point that lies ``part`` behind the second (Keys, a = -3/4)."""
    a = -0.75

    def near(t: Tensor) -> Tensor:
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def far(t: Tensor) -> Tensor:
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a

    return [far(part + 1), near(part), near(1 - part), far(2 - part)]


def _inside(points: Tensor, size: int, padding: int, aligned: bool) -> Tensor:
    """What is outside, at the border or thrown back there; with zeros around, it stays outside."""
    if padding == _ZEROS:
        return points
    if padding == _REFLECTION:
        low, span = (0.0, size - 1.0) if aligned else (-0.5, float(size))
        if span == 0:
            return torch.zeros_like(points)
        away = (points - low).abs()
        turns = (away / span).floor()
        rest = away - turns * span
        is_even = turns - 2 * (turns / 2).floor() == 0
        points = torch.where(is_even, rest + low, span + low - rest)
    return points.clamp(0, size - 1)
