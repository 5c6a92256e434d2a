"""The plots of ``cloformer bench`` and ``cloformer compare``: the charts of their pages, as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ...latency.comparison import DEAD_BAND, Comparison
from ..shared.charts import Drawing
from ..shared.plots import Part, Plot
from .chart import course_drawing, spread_drawing, spread_words
from .comparison_chart import RatioScale, axis_marks, interval_marks, turns_drawing
from .comparison_text import judged_by, letter, outcome, ratio, verdict_line
from .parts import threads
from .text import candidate

if TYPE_CHECKING:
    from ...latency.comparison import Pair
    from ...latency.report import LatencyReport, Measurement
    from ...latency.statistics import Summary

__all__ = ["latency_plots"]

_MOST = 12  # rows in a file, which cannot be endless
_STRIP = 40  # pixels


def latency_plots(report: LatencyReport | Comparison) -> list[Plot]:
    """What there is to draw of it."""
    if isinstance(report, Comparison):
        pairs = report.pairs[:_MOST]
        first = f"{letter(0)}, {candidate(report.rows[0])}"
        return [
            _plot(
                "compare-ratio",
                report,
                f"Time over that of {first}, by {judged_by(report)}",
                _ratios(report, pairs),
            ),
            _plot(
                "compare-turns",
                report,
                f"Ratio to {letter(0)} in each turn",
                [_turns(report, pair) for pair in pairs],
            ),
        ]
    title = "How long queries took"
    return [
        _plot("bench-distribution", report, f"{title}, in milliseconds", _rows(report, spread_drawing, spread_words)),
        _plot("bench-over-the-run", report, f"{title}, in milliseconds, in the order they ran", _rows(report, course_drawing)),
    ]  # fmt: skip


def _plot(name: str, report: LatencyReport | Comparison, title: str, parts: Iterable[Part]) -> Plot:
    """With where it was measured, and whether there is more to come."""
    found = " and ".join(sorted({row.measured_on for row in report.rows})) or "nothing measured"
    return Plot(name, f"{title}; {found}{'' if report.complete else '; INCOMPLETE'}", [*parts])


def _rows(
    report: LatencyReport,
    draw: Callable[[Measurement, Summary], Drawing],
    say: Callable[[Measurement], str] = lambda _: "",
) -> Iterator[Part]:
    for row in report.rows[:_MOST]:
        name = f"{candidate(row)}, {threads(row)}: {row.verdict.word}"
        if row.summary is None:
            yield Part(name, below="; ".join(row.verdict.reasons) or "No query was timed.")
        else:
            yield Part(name, draw(row, row.summary), say(row))
    if len(report.rows) > _MOST:
        yield Part(f"These are the first {_MOST} of {len(report.rows)} rows.")


def _ratios(found: Comparison, pairs: Sequence[Pair]) -> Iterator[Part]:
    """An interval for each candidate but the first, and the numbers below all."""
    scale, limit = RatioScale.of(found), found.rounds.max_regression
    for pair in pairs:
        marks = interval_marks(scale, pair.judged, outcome(found, pair).replace(" ", "-"), limit)
        yield Part(_name(found, pair), Drawing(ratio(pair.judged), marks, _STRIP))
    meaning = [("dead", f"1 +/- {DEAD_BAND:.0%}")] + (
        [] if limit is None else [("limit", f"limit, {limit:+.1%}")]
    )
    numbers = Drawing("Ratios", axis_marks(scale), 20, marks=meaning)
    yield Part(
        drawing=numbers,
        below="Below 1 is faster. A verdict needs the whole interval outside of what is shaded.",
    )


def _turns(found: Comparison, pair: Pair) -> Part:
    if pair.judged is None:
        return Part(_name(found, pair), below="There is no whole turn.")
    return Part(_name(found, pair), turns_drawing(found, pair, pair.judged))


def _name(found: Comparison, pair: Pair) -> str:
    words = f"{letter(pair.row)}, {candidate(found.rows[pair.row])}: {verdict_line(found, pair)}"
    return f"{words}; {ratio(pair.judged)}"
