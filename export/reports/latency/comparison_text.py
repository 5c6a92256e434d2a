"""A comparison for a terminal: plain text, as wide as it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloformer.io.output import width

from ...latency.comparison import DEAD_BAND
from ..shared.table import Column, Fitted, fitted
from ..shared.words import count, plain, tail, wrapped
from .text import candidate, milliseconds, where

if TYPE_CHECKING:
    from ...latency.comparison import Comparison, Pair
    from ...latency.report import Measurement
    from ...latency.statistics import Interval

__all__ = ["endings", "gate_line", "how", "judged_by", "letter", "outcome", "ratio", "render", "verdict_line"]

_NONE = "-"


def render(found: Comparison) -> str:
    """A row for each candidate; below, what can be said of each against the first."""
    return "\n".join([*_head(found), "", *_rows(found), "", *_verdicts(found), *_end(found)])


def ratio(interval: Interval | None) -> str:
    """``0.931 (0.928 to 0.934)``: the value and its interval."""
    return _NONE if interval is None else f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def judged_by(found: Comparison) -> str:
    """The clock that the verdict is made of."""
    return "processor time" if found.judged_by == "cpu" else "wall time"


def outcome(found: Comparison, pair: Pair) -> str:
    """The verdict in a word: there is none on what could not be measured to its end, or against it."""
    if found.rows[pair.row].failure is not None:
        return "failed"
    return "no verdict" if found.rows[0].failure is not None else pair.verdict


def verdict_line(found: Comparison, pair: Pair) -> str:
    """What can be said of a candidate against the first, and why if it is nothing."""
    row = found.rows[pair.row]
    judged = pair.judged
    if row.failure is not None or found.rows[0].failure is not None:
        return "no verdict: one of both could not be measured"
    if judged is None:
        return "no verdict: there is no whole turn"
    if pair.verdict == "no verdict":
        return (
            f"no verdict: the interval is not beyond 1 +/- {DEAD_BAND:.0%}"
            if judged.low > 1 or judged.high < 1
            else "no verdict: the interval holds 1"
        )
    if pair.verdict == "faster":
        return f"faster: {1 / judged.value:.3f} times as fast"
    return f"slower: it takes {judged.value:.3f} times as long"


def gate_line(found: Comparison) -> str | None:
    """What became of the limit; None if there is none."""
    limit, gate = found.rounds.max_regression, found.gate
    if limit is None:
        return None
    return {
        "passed": f"PASS: no candidate takes {limit:.1%} longer than the first",
        "failed": f"FAIL: a candidate takes more than {limit:.1%} longer than the first",
        "not shown": f"FAIL: that none takes {limit:.1%} longer than the first could not be shown in {count(found.rounds_run, 'round')}",
    }[gate or "not shown"]


def _head(found: Comparison) -> Iterator[str]:
    yield from wrapped(how(found), indent=2)
    yield from wrapped(where(found.environment), indent=2)


def how(found: Comparison) -> str:
    """What was timed by which rules, in a line."""
    measured_on = " and ".join(sorted({row.measured_on for row in found.rows}))
    turns = f"{count(found.turns, 'turn')} in {count(found.rounds_run, 'round')} of fresh processes"
    return f"{measured_on}; {turns}; preset {found.protocol.preset}; judged by {judged_by(found)}"


def _rows(found: Comparison) -> Iterator[str]:
    columns = _columns(found)
    yield f"{columns.head}samples"
    pairs = {pair.row: pair for pair in found.pairs}
    for index, row in enumerate(found.rows):
        yield f"{letter(index)}  {tail(candidate(row), width() - 3)}"
        yield _row(row, pairs.get(index), columns)
        for line in (*row.verdict.reasons, *row.notes):
            yield from wrapped(f"             {plain(line)}", indent=15)


def _columns(found: Comparison) -> Fitted:
    """What fits beside the verdict on the samples; the clock that is not judged by goes before the one that is."""
    cpu, wall = (0, 3) if found.judged_by == "cpu" else (3, 0)
    columns = (
        Column("median ms", 13, 0), Column("p90", 9, 2), Column("n", 9, 1), Column("", 3, 0),
        Column("processor time / first", 25, cpu, "<"), Column("wall time / first", 25, wall, "<"),
    )  # fmt: skip
    return fitted(columns, width() - len("unstable"))


def _row(row: Measurement, pair: Pair | None, columns: Fitted) -> str:
    summary = row.summary
    median, p90 = (None, None) if summary is None else (summary.median, summary.p90)
    cpu, wall = ("1", "1") if pair is None else (ratio(pair.cpu), ratio(pair.wall))
    cells = {
        "median ms": milliseconds(median),
        "p90": milliseconds(p90),
        "n": f"{len(row.wall_ns)}",
        "processor time / first": cpu,
        "wall time / first": wall,
    }
    return columns.row(cells) + row.verdict.word


def _verdicts(found: Comparison) -> Iterator[str]:
    for pair in found.pairs:
        yield from wrapped(f"{letter(pair.row)} against A: {verdict_line(found, pair)}", indent=2)


def _end(found: Comparison) -> Iterator[str]:
    for said in _columns(found).said():
        yield from wrapped(f"{said} (--output and --html have them)", indent=2)
    if (line := gate_line(found)) is not None:
        yield from wrapped(line, indent=2)
    yield from endings(found)


def endings(found: Comparison) -> Iterator[str]:
    """Why the comparison is not whole; nothing if it is."""
    if found.stopped is not None:
        yield f"INCOMPLETE: {found.stopped} in round {found.rounds_run}"
    if found.failed:
        yield f"{len(found.failed)} of {count(found.rows, 'candidate')} could not be measured"


def letter(index: int) -> str:
    """What a candidate is called: A is the first."""
    return chr(ord("A") + index) if index < 26 else f"{index + 1}"
