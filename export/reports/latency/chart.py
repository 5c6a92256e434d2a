"""The charts of measured latency as inline SVG, in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...latency.statistics import MIN_TO_JUDGE
from ..shared.axis import Axis
from ..shared.charts import Drawing, percent
from ..shared.markup import Markup, join, tag
from ..shared.words import count
from .course_chart import CourseChart
from .samples import Spread, Stretch, around, course, spread, together
from .text import milliseconds

if TYPE_CHECKING:
    from ...latency.report import Measurement
    from ...latency.statistics import Summary

__all__ = ["course_drawing", "median_bar", "spread_drawing", "spread_figure", "spread_words"]

_FLOOR, _TALLEST = 222, 172  # of the bars of a histogram, pixels
_OUTSIDE = 0.05  # of the width, for the bar of what is off the axis
_GAP = 0.012  # of the width, before that bar


def median_bar(found: Summary, most: float) -> Markup:
    """From 0 to the median, a thin line to p99, and p90 upright. ``most`` seconds are the whole width."""
    median, p99 = (percent(min(value / most, 1)) for value in (found.median, found.p99))
    marks = [
        tag("line", x1="0%", x2="100%", y1=9, y2=9, class_="track"),
        tag("line", x1=median, x2=p99, y1=9, y2=9, class_="rail"),
        tag("rect", x="0%", y=3, width=median, height=12, rx=2, class_="bar"),
    ]
    name = f"median {milliseconds(found.median)}, p99 {milliseconds(found.p99)}"
    if found.p90 is not None:
        name += f", p90 {milliseconds(found.p90)}"
        p90 = percent(min(found.p90 / most, 1))
        marks.append(tag("line", x1=p90, x2=p90, y1=1, y2=17, class_="allowed"))
    return tag("svg", tag("title", name), *marks, class_="strip", width="100%", height=18, role="img")


def spread_figure(row: Measurement, found: Summary) -> Markup:
    """On a page: with what it leaves out in words."""
    figure = tag("figure", spread_drawing(row, found).svg(), class_="panel shape")
    return join([figure, tag("p", spread_words(row), class_="aside")])


def spread_drawing(row: Measurement, found: Summary) -> Drawing:
    """How many queries took how long, with the median and p90."""
    chart = _SpreadChart(spread(_milliseconds(row)))
    marks = [*chart.marks(), *chart.upright(found.median, "median", 12, "allowed")]
    if found.p90 is not None:
        marks += chart.upright(found.p90, "p90", 27, "allowed dashed")
    return Drawing(f"How long each of {count(row.wall_ns, 'query')} took", marks, _FLOOR + 22)


def spread_words(row: Measurement) -> str:
    """What the heights of the bars are of, and what is off the axis."""
    values = _milliseconds(row)
    bins = spread(values)
    return f"{count(values, 'query')}, in bins of {bins.width:g} ms, {max(bins.counts):,} in the highest.{_outside(values, bins)}"


def course_drawing(row: Measurement, found: Summary) -> Drawing:
    """How long queries took over the run, so that it is seen if they took longer in the end."""
    values = _milliseconds(row)
    each = together(len(values))
    stretches = course(values, each)
    axis = Axis.of(*around(values))
    chart = CourseChart(stretches, [_words(item) for item in stretches], axis)
    under = []
    if len(values) >= MIN_TO_JUDGE:
        tenth = len(values) // 10 / each
        under = [chart.ground(0, tenth), chart.ground(len(values) / each - tenth, len(stretches))]
    median = f"median of all, {milliseconds(found.median)}"
    over = [
        *chart.level(found.median * 1e3, "allowed", median),
        *chart.ends("query 1", f"query {len(values):,}"),
    ]
    marks = [("own", "a query")]
    if each > 1:
        marks = [
            ("reach", f"{each:,} queries, from the fastest to the slowest"),
            ("half", "their middle half"),
            ("middle", "their median"),
        ]
    marks.append(("level", median))
    if chart.beyond:
        marks.append(("total", "off the chart"))
    return chart.draw(f"How long {count(values, 'query')} took, in the order they ran", under, over, marks)


class _SpreadChart:
    """The bars of a histogram; what is off its axis has a bar of its own at the end."""

    def __init__(self, bins: Spread) -> None:
        self._bins, self._axis = bins, Axis.of(bins.start, bins.end)
        self._left = _OUTSIDE + _GAP if bins.below else 0.0
        self._right = 1 - _OUTSIDE - _GAP if bins.beyond else 1.0
        self._most = max(*bins.counts, bins.below, bins.beyond)

    def marks(self) -> Iterator[Markup]:
        bins = self._bins
        each = (self._right - self._left) / len(bins.counts)
        for place, amount in enumerate(bins.counts):
            start, end = bins.start + place * bins.width, bins.start + (place + 1) * bins.width
            name = f"{count(amount, 'query')} from {start:.6g} to {end:.6g} ms"
            yield from self._bar(self._left + place * each, 0.9 * each, amount, name, "bar")
        below, beyond = (
            f"{count(bins.below, 'query')} below {bins.start:.6g} ms", f"{count(bins.beyond, 'query')} beyond {bins.end:.6g} ms",
        )  # fmt: skip
        yield from self._bar(0.0, _OUTSIDE, bins.below, below, "out")
        yield from self._bar(1 - _OUTSIDE, _OUTSIDE, bins.beyond, beyond, "out")
        left, right = percent(self._left), percent(self._right)
        yield tag("line", x1=left, x2=right, y1=_FLOOR, y2=_FLOOR, class_="rail")
        for value in self._axis.ticks:
            yield self._tick(value)

    def upright(self, seconds: float, name: str, y: int, kind: str) -> Iterator[Markup]:
        """A line with its name at height ``y``, on the side that has room."""
        share = self._across(seconds * 1e3)
        x = percent(share)
        yield tag("line", x1=x, x2=x, y1=y - 9, y2=_FLOOR, class_=kind)
        anchor, aside = ("start", 5) if share < 0.6 else ("end", -5)
        text = f"{name} {milliseconds(seconds)}"
        yield tag("text", text, x=x, dx=aside, y=y, text_anchor=anchor, class_="said")

    def _bar(self, start: float, width: float, amount: int, name: str, kind: str) -> Iterator[Markup]:
        """Of at least a pixel: one query among thousands is there too."""
        if amount:
            height = max(_TALLEST * amount / self._most, 1.5)
            yield tag(
                "rect", tag("title", name), x=percent(start), y=f"{_FLOOR - height:.1f}", width=percent(width),
                height=f"{height:.1f}", class_=kind,
            )  # fmt: skip

    def _tick(self, value: float) -> Markup:
        share = self._across(value)
        anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
        return tag("text", self._axis.label(value), x=percent(share), y=_FLOOR + 16, text_anchor=anchor)

    def _across(self, value: float) -> float:
        return self._left + (self._right - self._left) * self._axis.share(value)


def _milliseconds(row: Measurement) -> list[float]:
    """Every query, in the order they ran."""
    return [time / 1e6 for time in row.wall_ns]


def _outside(values: Sequence[float], bins: Spread) -> str:
    """What is off the axis, in words."""
    said = ""
    if bins.below:
        said += (
            f" {bins.below:,} took less than {bins.start:.6g}, the fastest {milliseconds(min(values) / 1e3)}."
        )
    if bins.beyond:
        said += f" {bins.beyond:,} took longer than {bins.end:.6g}, the slowest {milliseconds(max(values) / 1e3)}."
    return said


def _words(item: Stretch) -> str:
    if item.first == item.last:
        return f"query {item.first:,}: {milliseconds(item.median / 1e3)} ms"
    low, median, high = (milliseconds(value / 1e3) for value in (item.low, item.median, item.high))
    return f"queries {item.first:,} to {item.last:,}: {low} to {high} ms, median {median}"
