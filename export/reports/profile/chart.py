"""The charts of a profile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloformer.io.words import count

from ..shared.charts import Drawing, Scale
from ..shared.markup import Markup, tag
from .listing import where
from .text import milliseconds, percent, rate

if TYPE_CHECKING:
    from ...latency.profile_report import Group, OperatorTime, Profile

__all__ = ["roofline_drawing", "share_bar"]

_HEIGHT, _TOP, _BOTTOM = 320, 16, 276
_AXIS = 54  # pixels, beside the plot: of shares of a phone's width, labels would be cut off
_LEFT, _RIGHT = 0.5, 96.0  # percent of the plot's width
_SMALLEST, _LARGEST = 2.5, 11.0  # radius of an operator, pixels


def roofline_drawing(report: Profile, prefix: str) -> Drawing:
    """Every operator that multiplies. ``prefix`` is that of the ids of the operators' rows, with their place."""
    drawn = [
        (place, row, intensity, group)
        for place, row, group in _multiplying(report)
        if (intensity := 2 * group.multiply_adds / group.bytes) > 0
    ]
    peak = report.roofline.product.giga_per_second
    slope = report.roofline.transfer.giga_per_second
    across = Scale.of([peak / slope, *(intensity for _, _, intensity, _ in drawn)])
    down = Scale.of([peak, *(group.gflops or 0 for _, _, _, group in drawn)])
    most = max((group.us for _, _, _, group in drawn), default=1.0)
    marks = []
    # The largest first, so that none hides another.
    for place, row, intensity, group in sorted(drawn, key=lambda item: -item[3].us):
        name = (
            f"{row.operator} {row.name}, {where(row)}: {milliseconds(group.us)} ms, {rate(group.gflops)} GFLOP/s, "
            f"{rate(intensity)} FLOP/byte, {percent(group.of_roofline)} of the roofline"
        )
        radius = max(_LARGEST * math.sqrt(group.us / most), _SMALLEST)
        circle = tag(
            "circle", tag("title", name), cx=_across(across, intensity), cy=_down(down, group.gflops or 0),
            r=f"{radius:.1f}", class_="own", fill_opacity="0.55",
        )  # fmt: skip
        marks.append(tag("a", circle, href=f"#{prefix}{place}", aria_label=name))
    label = f"Roofline of {count(drawn, 'operator')}: up to {rate(slope)} GB/s and {rate(peak)} GFLOP/s"
    plot = [*_grid(across, down), *marks, *_roof(across, down, peak, slope)]
    return Drawing(label, plot, _HEIGHT, [*_rates(down)], _AXIS)


def share_bar(share: float, said: str) -> Drawing:
    """A share of the whole width, with words for it."""
    marks = [
        tag("title", said),
        tag("line", x1="0%", x2="100%", y1=9, y2=9, class_="track"),
        tag("rect", x="0%", y=3, width=f"{100 * share:.2f}%", height=12, rx=2, class_="bar"),
    ]
    return Drawing(said, marks, 18, kind="strip")


def _multiplying(report: Profile) -> Iterator[tuple[int, OperatorTime, Group]]:
    """Operators with a rate of their own; without bytes or time there is none."""
    places = {row.name: place for place, row in enumerate(report.rows)}
    for row, group in report.by_operator():
        if group.multiply_adds and group.bytes and group.us:
            yield places[row.name], row, group


def _roof(across: Scale, down: Scale, peak: float, slope: float) -> Iterator[Markup]:
    """Memory's line up to where both meet, then the line of products."""
    meet = peak / slope
    start = max(10.0**across.low, 10.0**down.low / slope)  # where memory's line enters the chart
    corner = _across(across, meet), _down(down, peak)
    if start < meet:
        yield tag(
            "line", x1=_across(across, start), y1=_down(down, start * slope), x2=corner[0], y2=corner[1],
            class_="allowed",
        )  # fmt: skip
    end = _across(across, 10.0**across.high)
    yield tag("line", x1=corner[0], y1=corner[1], x2=end, y2=corner[1], class_="allowed")
    yield tag("text", f"{rate(slope)} GB/s, {rate(peak)} GFLOP/s", x=end, y=_TOP - 5, text_anchor="end")


def _rates(down: Scale) -> Iterator[Markup]:
    for exponent in range(down.low, down.high + 1):
        y = _down(down, 10.0**exponent)
        yield tag("text", _power(exponent), x=_AXIS - 6, y=y, dy="0.35em", text_anchor="end")


def _grid(across: Scale, down: Scale) -> Iterator[Markup]:
    for exponent in range(down.low, down.high + 1):
        y = _down(down, 10.0**exponent)
        yield tag("line", x1=f"{_LEFT}%", x2=f"{_RIGHT}%", y1=y, y2=y, class_="grid")
    for exponent in range(across.low, across.high + 1):
        x = _across(across, 10.0**exponent)
        yield tag("line", x1=x, x2=x, y1=_TOP, y2=_BOTTOM, class_="grid")
        anchor = "end" if exponent == across.high else "middle"
        yield tag("text", _power(exponent), x=x, y=_BOTTOM + 16, text_anchor=anchor)
    yield tag("text", "GFLOP/s", x=f"{_LEFT}%", y=_TOP - 5)
    yield tag("text", "FLOP for each byte", x=f"{_RIGHT}%", y=_BOTTOM + 34, text_anchor="end")


def _across(scale: Scale, value: float) -> str:
    return f"{_LEFT + (_RIGHT - _LEFT) * scale.share(value):.2f}%"


def _down(scale: Scale, value: float) -> str:
    return f"{_BOTTOM - (_BOTTOM - _TOP) * scale.share(value):.1f}"


def _power(exponent: int) -> str:
    return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"
