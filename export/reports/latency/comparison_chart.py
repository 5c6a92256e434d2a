"""The charts of a comparison as inline SVG: ratios to the first candidate, below 1 if it takes less time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ...latency.comparison import DEAD_BAND
from ..shared.axis import Axis
from ..shared.charts import Drawing, percent
from ..shared.markup import Markup, tag
from .comparison_text import ratio
from .course_chart import CourseChart
from .samples import Stretch, around, course, together

if TYPE_CHECKING:
    from ...latency.comparison import Comparison, Pair
    from ...latency.statistics import Interval

__all__ = ["RatioScale", "axis_marks", "interval_marks", "turns_drawing"]

_MOST_TURNS = 240  # that are drawn one by one; of more, several together
_FEW_ROUNDS = 4  # up to which there is room for the word
_NEAR = 2.5  # times the range of the turns, up to which 1 is drawn beside them


class RatioScale:
    """A logarithmic scale: half as long is as far from 1 as twice as long."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    @classmethod
    def of(cls, found: Comparison) -> RatioScale:
        """Around the dead band, every judged interval and the limit."""
        limit = found.rounds.max_regression
        ends = [1 - DEAD_BAND, 1 + DEAD_BAND, 1 + (limit or 0.0)]
        for pair in found.pairs:
            if pair.judged is not None:
                ends += [pair.judged.low, pair.judged.high]
        room = (max(ends) / min(ends)) ** 0.06
        return cls(min(ends) / room, max(ends) * room)

    def share(self, value: float) -> float:
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Where a number stands, and the number."""
        if self.high / self.low < 4:
            axis = Axis.of(self.low, self.high, 9)
            return [(value, axis.label(value)) for value in axis.ticks]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        places = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        return [(value, f"{value:g}") for value in places if self.low <= value <= self.high]


def interval_marks(
    scale: RatioScale, judged: Interval | None, kind: str, limit: float | None
) -> list[Markup]:
    """An interval between the dead band and the limit, as high as its place is. ``kind`` is its class."""
    marks = []
    if judged is not None:
        start, end = scale.share(judged.low), scale.share(judged.high)
        box = tag(
            "rect", x=percent(start), width=percent(end - start), y=-7, height=14, rx=1, class_=f"span {kind}",
        )  # fmt: skip
        marks = [box, _upright(scale, judged.value, "-12", "12", f"value {kind}")]
    return [*_ground(scale, limit), tag("svg", *marks, y="50%", width="100%")]


def axis_marks(scale: RatioScale) -> list[Markup]:
    """The numbers below the intervals."""
    return [
        tag("text", text, x=percent(scale.share(value)), y=14, text_anchor="middle")
        for value, text in scale.ticks()
    ]


def _ground(scale: RatioScale, limit: float | None) -> Iterator[Markup]:
    start, end = scale.share(1 - DEAD_BAND), scale.share(1 + DEAD_BAND)
    yield tag("rect", x=percent(start), width=percent(end - start), y=0, height="100%", class_="dead")
    for value, _ in scale.ticks():
        yield _upright(scale, value, "0%", "100%", "grid")
    yield _upright(scale, 1.0, "0%", "100%", "rail")
    if limit is not None:
        yield _upright(scale, 1 + limit, "0%", "100%", "limit")


def _upright(scale: RatioScale, value: float, top: str, bottom: str, kind: str) -> Markup:
    x = percent(scale.share(value))
    return tag("line", x1=x, x2=x, y1=top, y2=bottom, class_=kind)


def turns_drawing(found: Comparison, pair: Pair, judged: Interval) -> Drawing:
    """The ratio in every turn, round by round."""
    ratios = found.turn_ratios(pair.row)
    parts = _turn_stretches(found, pair)
    stretches = [item for part in parts.values() for item in part]
    chart = CourseChart(stretches, [*_words(parts)], _turns_axis(ratios, judged))
    grounds: list[Markup] = []
    over = [*chart.level(1.0, "rail", "1: as long as the first")]
    place = 0
    for order, (number, part) in enumerate(parts.items()):
        end = place + len(part)
        if order % 2 == 0:
            grounds.append(chart.ground(place, end))
        of_round = statistics.median(ratios[part[0].first - 1 : part[-1].last])
        over.append(chart.step(place, end, of_round, "allowed dashed"))
        over.append(chart.below(f"round {number}" if len(parts) <= _FEW_ROUNDS else f"{number}", place, end))
        place = end
    under = [
        *grounds,
        *chart.belt(1 - DEAD_BAND, 1 + DEAD_BAND, "dead", f"1 +/- {DEAD_BAND:.0%}"),
        *chart.belt(judged.low, judged.high, "interval", f"the interval, {ratio(judged)}"),
    ]
    over += chart.level(judged.value, "allowed", f"the median of all turns, {judged.value:.3f}")
    return chart.draw(f"The ratio in each of {len(ratios):,} turns", under, over, _turns_marks(chart))


def _turn_stretches(found: Comparison, pair: Pair) -> dict[int, list[Stretch]]:
    """The ratio of every turn, by round; several turns in a stretch if there are many."""
    ratios = found.turn_ratios(pair.row)
    each = together(len(ratios), _MOST_TURNS)
    parts: dict[int, list[Stretch]] = {}
    start = 0
    for number, turns in groupby(found.turns[: len(ratios)], lambda turn: turn.round):
        end = start + len([*turns])
        parts[number] = course(ratios[start:end], each, start)
        start = end
    return parts


def _turns_axis(ratios: Sequence[float], judged: Interval) -> Axis:
    """Around the turns; with the dead band, if that leaves them room."""
    low, high = around(ratios)
    low, high = min(low, judged.low), max(high, judged.high)
    wide = min(low, 1 - 1.5 * DEAD_BAND), max(high, 1 + 1.5 * DEAD_BAND)
    return Axis.of(*(wide if wide[1] - wide[0] <= _NEAR * (high - low) else (low, high)))


def _words(parts: dict[int, list[Stretch]]) -> Iterator[str]:
    for number, part in parts.items():
        for item in part:
            if item.first == item.last:
                yield f"round {number}, turn {item.first:,}: {item.median:.3f}"
            else:
                yield f"round {number}, turns {item.first:,} to {item.last:,}: {item.low:.3f} to {item.high:.3f}, median {item.median:.3f}"


def _turns_marks(chart: CourseChart) -> list[tuple[str, str]]:
    marks = [("own", "a turn")]
    if (each := chart.stretches[0].last) > 1:
        marks = [
            ("reach", f"{each} turns, from the least ratio to the largest"),
            ("half", "their middle half"),
            ("middle", "their median"),
        ]
    marks += [("level", "median of all turns, in its interval"), ("dashed", "median of a round")]
    if chart.axis.low < 1 + DEAD_BAND and chart.axis.high > 1 - DEAD_BAND:
        marks.append(("dead", f"1 +/- {DEAD_BAND:.0%}"))
    if chart.beyond:
        marks.append(("total", "off the chart"))
    return marks
