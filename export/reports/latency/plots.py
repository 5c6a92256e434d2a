"""The plots of ``cloformer bench`` and ``cloformer compare``: those of their pages, as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ...latency.comparison import DEAD_BAND, Comparison
from ..shared.plots import BAD, BLUE, GOOD, GREY, INK, Plot, figure_of, lines
from ..shared.words import count
from .comparison_chart import turn_stretches, turns_axis
from .comparison_text import judged_by, letter, outcome, ratio, verdict_line
from .parts import threads
from .samples import Stretch, around, course, spread, together
from .text import candidate, milliseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...latency.comparison import Pair
    from ...latency.report import LatencyReport, Measurement
    from ...latency.statistics import Interval, Summary

__all__ = ["latency_plots"]

_MOST = 12  # axes in a figure, which cannot be endless
_LONGEST = 600  # letters of a reason
_COLOURS = {"faster": GOOD, "slower": BAD, "no verdict": GREY, "failed": GREY}


def latency_plots(report: LatencyReport | Comparison) -> list[Plot]:
    """What there is to draw of it."""
    if isinstance(report, Comparison):
        return [
            Plot("compare-ratio", partial(_ratios, report)),
            Plot("compare-turns", partial(_turns, report)),
        ]
    return [
        Plot("bench-distribution", partial(_rows, report, "How long queries took", _distribution)),
        Plot(
            "bench-over-the-run",
            partial(_rows, report, "How long queries took, in the order they ran", _course),
        ),
    ]


def _measured_on(report: LatencyReport | Comparison) -> str:
    """Where, and whether there is more to come."""
    found = " and ".join(sorted({row.measured_on for row in report.rows})) or "nothing measured"
    return found if report.complete else f"{found}; INCOMPLETE"


def _rows(report: LatencyReport, title: str, draw: Callable[[Axes, Measurement, Summary], None]) -> Figure:
    """An axes for each row."""
    rows = report.rows[:_MOST]
    cut = f"; the first {_MOST} of {len(report.rows)} rows" if len(report.rows) > _MOST else ""
    figure, axes = figure_of(max(len(rows), 1), 2.2, f"{title}; {_measured_on(report)}{cut}")
    for place, row in zip(axes, rows):
        place.set_title(lines(f"{candidate(row)}, {threads(row)}: {row.verdict.word}"))
        if row.summary is None:
            _say(place, "; ".join(row.verdict.reasons) or "no query was timed")
        else:
            draw(place, row, row.summary)
    if not rows:
        _say(axes[0], "nothing was measured")
    return figure


def _say(place: Axes, text: str) -> None:
    """Words where there is nothing to draw."""
    place.text(
        0.5, 0.5, lines(text[:_LONGEST]), ha="center", va="center", color=BAD, transform=place.transAxes
    )
    place.set_axis_off()


def _distribution(place: Axes, row: Measurement, found: Summary) -> None:
    bins = spread([time / 1e6 for time in row.wall_ns])
    edges = [bins.start + index * bins.width for index in range(len(bins.counts))]
    place.bar(edges, bins.counts, bins.width * 0.9, align="edge", color=BLUE)
    place.axvline(found.median * 1e3, color=INK, label=f"median {milliseconds(found.median)}")
    if found.p90 is not None:
        place.axvline(found.p90 * 1e3, color=INK, linestyle="--", label=f"p90 {milliseconds(found.p90)}")
    out = bins.below + bins.beyond
    off = f"; {out:,} off the axis, up to {milliseconds(found.max)}" if out else ""
    place.set_xlabel(f"ms, of {count(found.n, 'query')}{off}")
    place.set_ylabel("queries")
    place.legend()


def _course(place: Axes, row: Measurement, found: Summary) -> None:
    values = [time / 1e6 for time in row.wall_ns]
    each = together(len(values))
    name = "a query" if each == 1 else f"{each:,} queries: all, the middle half, the median"
    _draw_stretches(place, course(values, each), around(values), name)
    place.axhline(
        found.median * 1e3, color=INK, linewidth=1, label=f"median of all, {milliseconds(found.median)}"
    )
    place.set_xlabel(f"query, of {found.n:,}; the slowest took {milliseconds(found.max)} ms")
    place.set_ylabel("ms")
    place.legend()


def _draw_stretches(
    place: Axes, stretches: Sequence[Stretch], limits: tuple[float, float], name: str
) -> None:
    """What is off the limits is a triangle at the edge."""
    low, high = limits
    middles = [(item.first + item.last) / 2 for item in stretches]
    medians = [item.median for item in stretches]
    if all(item.first == item.last for item in stretches):
        place.plot(middles, medians, ".", color=BLUE, label=name)
    else:
        whole = [item.low for item in stretches], [item.high for item in stretches]
        half = [item.lower for item in stretches], [item.upper for item in stretches]
        place.vlines(middles, *whole, color=BLUE, alpha=0.3, linewidth=0.8)
        place.vlines(middles, *half, color=BLUE, alpha=0.5, linewidth=2)
        place.plot(middles, medians, "_", color=BLUE, markersize=4, label=name)
    above = [middle for middle, item in zip(middles, stretches) if item.high > high]
    below = [middle for middle, item in zip(middles, stretches) if item.low < low]
    place.plot(above, [high] * len(above), "^", below, [low] * len(below), "v", color=GREY, markersize=3)
    place.set_ylim(low, high)


def _ratios(found: Comparison) -> Figure:
    """An interval for each candidate but the first."""
    pairs, limit = found.pairs[:_MOST], found.rounds.max_regression
    title = f"Time over that of {letter(0)}, {candidate(found.rows[0])}; {_measured_on(found)}"
    figure, (place,) = figure_of(1, 0.9 + 0.75 * len(pairs), title)
    place.axvspan(
        1 - DEAD_BAND, 1 + DEAD_BAND, color=GREY, alpha=0.18, linewidth=0, label=f"1 +/- {DEAD_BAND:.0%}"
    )
    place.axvline(1, color=GREY, linewidth=1)
    if limit is not None:
        place.axvline(1 + limit, color=BAD, linestyle="--", label=f"limit, {limit:+.1%}")
    for height, pair in enumerate(pairs):
        said = f"{candidate(found.rows[pair.row])}: {verdict_line(found, pair)}; {ratio(pair.judged)}"
        place.text(
            0.01, height - 0.12, lines(said), va="bottom", fontsize=8.5, transform=place.get_yaxis_transform(),
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        if pair.judged is not None:
            colour, at = _COLOURS[outcome(found, pair)], height + 0.12
            place.plot([pair.judged.low, pair.judged.high], [at, at], color=colour, linewidth=6, alpha=0.4)
            place.plot([pair.judged.value], [at], "|", color=colour, markersize=14, markeredgewidth=2)
    place.set_yticks(range(len(pairs)), [letter(pair.row) for pair in pairs])
    place.set_ylim(len(pairs) - 0.5, -0.6)
    place.set_xlabel(f"ratio by {judged_by(found)}, with its interval; below 1 is faster")
    place.grid(visible=False, axis="y")
    figure.legend(loc="outside lower right", ncols=2)
    return figure


def _turns(found: Comparison) -> Figure:
    """The ratio turn by turn, an axes for each candidate but the first."""
    pairs = found.pairs[:_MOST]
    figure, axes = figure_of(len(pairs), 2.6, f"Ratio to {letter(0)} in each turn; {_measured_on(found)}")
    for place, pair in zip(axes, pairs):
        name = f"{letter(pair.row)}, {candidate(found.rows[pair.row])}: {verdict_line(found, pair)}"
        place.set_title(lines(name))
        if pair.judged is None:
            _say(place, "there is no whole turn")
        else:
            _draw_turns(place, found, pair, pair.judged)
    return figure


def _draw_turns(place: Axes, found: Comparison, pair: Pair, judged: Interval) -> None:
    ratios = found.turn_ratios(pair.row)
    axis = turns_axis(ratios, judged)
    rounds = turn_stretches(found, pair)
    stretches = [item for part in rounds.values() for item in part]
    place.axhspan(1 - DEAD_BAND, 1 + DEAD_BAND, color=GREY, alpha=0.18, linewidth=0)
    place.axhspan(judged.low, judged.high, color=BLUE, alpha=0.18, linewidth=0)
    place.axhline(judged.value, color=INK, linewidth=1, label=f"median {judged.value:.3f}, in its interval")
    each = stretches[0].last
    name = "a turn" if each == 1 else f"{each} turns: all, the middle half, the median"
    _draw_stretches(place, stretches, (axis.low, axis.high), name)
    for part in list(rounds.values())[1:]:
        place.axvline(part[0].first - 0.5, color=INK, linewidth=0.8, linestyle=":")
    place.set_xlabel(f"turn, of {len(ratios):,}; dotted: a new round of fresh processes")
    place.set_ylabel("ratio")
    place.legend()
