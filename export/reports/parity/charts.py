"""The charts of parity. Every scale is logarithmic, with a rail below for 0 and one above for what is infinite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..shared.charts import Drawing, Scale, percent
from ..shared.markup import Markup, tag
from ..shared.words import count, number, plain
from .pictures import BINS_PER_DECADE, Histogram
from .words import why

if TYPE_CHECKING:
    from ...parity.report import OperatorResult, OutputResult

__all__ = ["depth_chart", "histogram_chart", "strip"]

_HEIGHT = 280
_TOP, _BOTTOM = 22, 232  # of the decades; the rail of 0 is below, that of infinity above
_ZERO, _INFINITE = 250, 8
_LABELS = 272
_EDGE = 1.2  # percent left free on either side
_MOST_BANDS = 40


def strip(item: OutputResult, scale: Scale) -> Markup:
    """One line: the error (filled), PyTorch's own (hollow) and what is allowed (upright)."""
    error = tag("circle", cx=percent(scale.share(item.figures.max_abs)), cy=9, r=4.5, class_="error")
    allowed = percent(scale.share(item.allowed))
    marks = [
        tag("line", x1="0%", x2="100%", y1=9, y2=9, class_="track"),
        tag("line", x1=allowed, x2=allowed, y1=1, y2=17, class_="allowed"),
    ]
    if item.noise_floor is not None:
        floor = percent(scale.share(item.noise_floor.max_abs))
        marks.append(tag("circle", cx=floor, cy=9, r=4, class_="floor"))
    name = f"{number(item.figures.max_abs)}, and {number(item.allowed)} is allowed"
    return tag(
        "svg", tag("title", name), *marks, error,
        class_="strip" if item.passed else "strip wrong", width="100%", height=18, role="img",
    )  # fmt: skip


def depth_chart(operators: Sequence[OperatorResult], prefix: str) -> Markup:
    """Own and total error and tolerance of each operator, in the order they run. ``prefix`` is that of the ids
    of the operators' rows."""
    ordered = sorted(operators, key=lambda item: item.depth)
    scale = Scale.of(
        value for item in ordered for value in (item.own_error, item.total_error, item.tolerance)
    )
    places = [_across(index, len(ordered)) for index in range(len(ordered))]
    half = (50 - _EDGE) / len(ordered)
    allowed, totals, owns, wrongs, hits = [], [], [], [], []
    for item, place in zip(ordered, places, strict=True):
        if item.tolerance > 0:
            y = _down(scale, item.tolerance)
            allowed.append(_line(f"{place - half:.3f}%", f"{place + half:.3f}%", y, y, "allowed"))
        where = f"{place:.3f}%"
        totals.append(tag("circle", cx=where, cy=_down(scale, item.total_error), r=2.4, class_="total"))
        if item.passed:
            owns.append(tag("circle", cx=where, cy=_down(scale, item.own_error), r=2.4, class_="own"))
        name = tag("title", f"{item} {why(item)}; {item.verdict}")
        hits.append(
            tag(
                "rect", name, x=f"{place - half:.3f}%", y=0, width=f"{2 * half:.3f}%", height=_HEIGHT - 24,
                class_="hit", data_row=f"{prefix}{item.depth}",
            )
        )  # fmt: skip
        if not item.passed:
            diamond = tag("path", name, d="M0-7 7 0 0 7-7 0z", class_="wrong")
            held = tag("svg", diamond, x=where, y=_down(scale, item.own_error), class_="held")
            wrongs.append(tag("a", held, href=f"#{prefix}{item.depth}"))
    cursor = tag("line", x1="0%", x2="0%", y1=0, y2=_HEIGHT - 24, class_="cursor")
    plot = [*_bands(ordered, places, half), *_grid(scale), *allowed, *totals, *owns, cursor, *hits, *wrongs]
    label = f"Error of {count(ordered, 'result')} of operators in the order they run, on a logarithmic scale"
    return Drawing(label, plot, _HEIGHT, [*_axis(scale)], 44, kind="plot").svg()


def histogram_chart(item: Histogram) -> Markup:
    """How many values are how far off, four bins a decade."""
    high = math.ceil((item.first + max(len(item.counts), 1)) / BINS_PER_DECADE)
    low = math.floor(item.first / BINS_PER_DECADE)
    if item.allowed and 0 < item.allowed < math.inf:
        low = min(low, math.floor(math.log10(item.allowed)))
        high = max(high, math.ceil(math.log10(item.allowed)))
    scale = Scale(low, max(high, low + 2))
    bins, most = (scale.high - scale.low) * BINS_PER_DECADE, max(item.counts, default=1)
    bars = []
    for index, amount in enumerate(item.counts):
        start = (item.first + index) / BINS_PER_DECADE
        height = 84 * amount / most if amount < 1 else max(84 * amount / most, 1.5)
        name = f"{count(amount, 'value')} from {10**start:.1e} to {10 ** (start + 1 / BINS_PER_DECADE):.1e}"
        x = (start - scale.low) / (scale.high - scale.low)
        bars.append(
            tag(
                "rect", tag("title", name), x=percent(x), y=f"{92 - height:.1f}",
                width=f"{100 / bins * 0.86:.3f}%", height=f"{height:.1f}", class_="bar",
            )
        )  # fmt: skip
    marks = [_line("0%", "100%", 92, 92, "rail")]
    step = max(1, math.ceil((scale.high - scale.low) / 4))
    for decade in range(scale.low, scale.high + 1, step):
        share = scale.share(10.0**decade)
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        marks.append(tag("text", _power(decade), x=percent(share), y=108, text_anchor=anchor))
    if item.allowed is not None:
        place = percent(scale.share(item.allowed))
        marks.append(tag("line", tag("title", f"{number(item.allowed)} is allowed"), x1=place, x2=place, y1=2, y2=92, class_="allowed"))  # fmt: skip
    name = f"{item.name} on {item.case}: errors of {count(item.values, 'value')}"
    return Drawing(name, [*bars, *marks], 114).svg()


def _across(index: int, total: int) -> float:
    return _EDGE + (100 - 2 * _EDGE) * (index + 0.5) / total


def _down(scale: Scale, value: float) -> str:
    if value == 0:
        return str(_ZERO)
    return f"{_BOTTOM - (_BOTTOM - _TOP) * scale.share(value):.1f}" if value < math.inf else str(_INFINITE)


def _line(x1: str, x2: str, y1: str | int, y2: str | int, kind: str) -> Markup:
    return tag("line", x1=x1, x2=x2, y1=y1, y2=y2, class_=kind)


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _decades(scale: Scale) -> list[tuple[int, str]]:
    step = 2 if scale.high - scale.low > 7 else 1
    return [(item, _down(scale, 10.0**item)) for item in range(scale.low, scale.high + 1, step)]


def _grid(scale: Scale) -> Iterator[Markup]:
    for _, y in _decades(scale):
        yield _line("0%", "100%", y, y, "grid")
    yield _line("0%", "100%", _ZERO, _ZERO, "rail")


def _axis(scale: Scale) -> Iterator[Markup]:
    for exponent, y in _decades(scale):
        yield tag("text", _power(exponent), x=38, y=y, dy="0.35em", text_anchor="end")
    yield tag("text", "0", x=38, y=_ZERO, dy="0.35em", text_anchor="end")


def _bands(ordered: Sequence[OperatorResult], places: Sequence[float], half: float) -> Iterator[Markup]:
    """The outer modules below the chart, each with a ground of its own."""
    changes = sum(_outer(one, 2) != _outer(next_, 2) for one, next_ in pairwise(ordered))
    depth = 2 if changes <= _MOST_BANDS else 1
    runs: list[tuple[str, float, float]] = []
    for item, place in zip(ordered, places, strict=True):
        name = _outer(item, depth)
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1], place + half)
        else:
            runs.append((name, place - half, place + half))
    for index, (name, start, end) in enumerate(runs):
        if index % 2 == 0:
            yield tag(
                "rect",
                x=f"{start:.2f}%",
                width=f"{end - start:.2f}%",
                y=0,
                height=_HEIGHT - 24,
                class_="band",
            )
        label = name if len(name) <= 14 else f"{name[:13]}…"
        if end - start >= 0.75 * len(label):  # percent of the width, for which a letter on a phone takes 2.1
            kind = "module" if end - start >= 2.1 * len(label) else "module wide"
            middle = f"{(start + end) / 2:.2f}%"
            yield tag("text", label, x=middle, y=_LABELS, text_anchor="middle", class_=kind)


def _outer(item: OperatorResult, depth: int) -> str:
    return plain(".".join(item.module.split(".")[:depth])) or "model"
