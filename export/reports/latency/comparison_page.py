"""What ``cloformer compare`` found as one page that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...latency.comparison import DEAD_BAND
from ...latency.statistics import Interval
from ..shared.markup import Markup, tag
from ..shared.page import page
from ..shared.parts import badge, cell, chip, environment, folded, table, verdict_chip
from ..shared.words import count
from .comparison_chart import RatioScale, axis_marks, interval_marks, turns_drawing
from .comparison_text import endings, gate_line, how, judged_by, letter, outcome, ratio, verdict_line
from .course_chart import course_figure
from .parts import footer, incomplete, protocol, row_facts, threads
from .text import candidate, milliseconds, where

if TYPE_CHECKING:
    from ...latency.comparison import Comparison, Pair
    from ...latency.report import Measurement

__all__ = ["comparison_page"]

_GOOD = {"faster": True, "slower": False, "no verdict": None, "failed": False}


def comparison_page(found: Comparison) -> str:
    """The page: each candidate's ratio to the first, the rows, and the ratio turn by turn."""
    section = tag(
        "section",
        _forest(found),
        _candidates(found),
        *_turns(found),
        tag(
            "section",
            *_about(found),
            protocol(found.protocol),
            environment(found.environment.to_json(), found.environment.versions),
        ),
        class_="report",
    )
    name = _headline(found)
    return page(
        f"Comparison{'' if found.complete else ', INCOMPLETE'}: {name}",
        _header(found, name),
        [section],
        footer(found.rows),
    )


def _headline(found: Comparison) -> str:
    """The verdict; of several, how many there are of each."""
    if len(found.pairs) == 1:
        line = verdict_line(found, found.pairs[0])
        return line[0].upper() + line[1:]
    words = Counter(outcome(found, pair) for pair in found.pairs)
    return ", ".join(f"{words[word]} {word}" for word in _GOOD if words[word])


def _header(found: Comparison, name: str) -> list[Markup]:
    good = found.complete and found.gate in (None, "passed")
    parts = [
        tag("p", "cloformer compare", class_="eyebrow"),
        tag("h1", *([] if good and found.gate is None else [badge(good)]), name),
        tag("p", _lede(found), class_="lede"),
        tag("p", f"{how(found)}; {where(found.environment)}.", class_="aside"),
    ]
    if (line := gate_line(found)) is not None:
        parts.append(tag("p", line, class_="gate" if found.gate == "passed" else "gate bad"))
    if not found.complete:
        parts.append(incomplete([*endings(found)], count(found.rounds_run, "round")))
    return parts


def _lede(found: Comparison) -> str:
    first = f"{letter(0)}, {candidate(found.rows[0])}"
    if len(found.rows) == 2:
        return f"{letter(1)}, {candidate(found.rows[1])}, against {first}."
    return f"{count(found.pairs, 'candidate')} against {first}."


def _forest(found: Comparison) -> Markup:
    scale, limit = RatioScale.of(found), found.rounds.max_regression
    said = (
        f"How long each takes over how long {letter(0)} takes, by {judged_by(found)}: the median over the turns, in "
        f"its {_level(found)}interval. Below 1 is faster. A verdict needs the whole interval outside of "
        f"1 +/- {DEAD_BAND:.0%}, which is shaded."
    )
    if limit is not None:
        said += f" The broken line is the limit, {limit:+.1%}."
    pairs = [None, *found.pairs]
    rows = [_contender(found, scale, index, pair) for index, pair in enumerate(pairs)]
    numbers = tag("svg", *axis_marks(scale), width="100%", height=20, aria_hidden="true", class_="forest")
    axis = tag("div", tag("div", numbers, class_="scale"), class_="contender ticks")
    return tag(
        "section",
        tag("h3", f"Ratio to {letter(0)}"),
        tag("p", said, class_="aside"),
        tag("div", *rows, axis, class_="panel contenders"),
    )


def _level(found: Comparison) -> str:
    """``99% ``; nothing if there is no interval."""
    levels = {f"{pair.judged.level:.0%} " for pair in found.pairs if pair.judged is not None}
    return "".join(levels)


def _contender(found: Comparison, scale: RatioScale, index: int, pair: Pair | None) -> Markup:
    row = found.rows[index]
    judged = Interval(1.0, 1.0, 1.0, 1.0) if pair is None else pair.judged
    word = "the first" if pair is None else outcome(found, pair)
    number = "1" if pair is None else ratio(pair.judged)
    marks = interval_marks(scale, judged, word.replace(" ", "-"), found.rounds.max_regression)
    strip = tag("svg", tag("title", number), *marks, width="100%", role="img", class_="forest")
    return tag(
        "div",
        tag("p", _name(index), row.artifact, tag("small", f"{row.title}, {threads(row)}"), class_="who"),
        tag("div", strip, class_="scale"),
        tag("p", tag("span", number), chip(_GOOD.get(word), word), class_="outcome"),
        class_="contender",
    )


def _name(index: int) -> Markup:
    return tag("b", letter(index))


def _candidates(found: Comparison) -> Markup:
    names = (
        "Candidate",
        "*Median, ms",
        "*p90, ms",
        "*n",
        f"*Processor time / {letter(0)}",
        f"*Wall time / {letter(0)}",
        "Samples",
    )
    pairs = [None, *found.pairs]
    rows = [
        _candidate(index, row, pair) for index, (row, pair) in enumerate(zip(found.rows, pairs, strict=True))
    ]
    said = "Of all queries of all turns. Samples says whether a candidate's own times agree with one another."
    return tag(
        "section",
        tag("h3", "Candidates"),
        tag("p", said, class_="aside"),
        tag("div", table(names, rows), class_="panel"),
        *_verdicts(found),
    )


def _verdicts(found: Comparison) -> Iterator[Markup]:
    """In words; those of a single pair are the headline."""
    if len(found.pairs) > 1:
        lines = [
            f"{letter(pair.row)} against {letter(0)}: {verdict_line(found, pair)}" for pair in found.pairs
        ]
        yield tag("ul", *(tag("li", line) for line in lines))


def _candidate(index: int, row: Measurement, pair: Pair | None) -> Markup:
    summary = row.summary
    median, p90 = (None, None) if summary is None else (summary.median, summary.p90)
    cpu, wall = ("1", "1") if pair is None else (ratio(pair.cpu), ratio(pair.wall))
    by = tag("small", f"{row.title} ({row.runtime})")
    lines = [tag("small", line) for line in (*row.verdict.reasons, *row.notes)]
    return tag(
        "tr",
        tag("th", _name(index), row.artifact, by, *lines, scope="row"),
        cell("Median, ms", milliseconds(median), "num"),
        cell("p90, ms", milliseconds(p90), "num"),
        cell("n", f"{len(row.wall_ns):,}", "num"),
        cell("Processor time", cpu, "num whole"),
        cell("Wall time", wall, "num whole"),
        cell("Verdict", verdict_chip(row.verdict.word)),
    )


def _turns(found: Comparison) -> Iterator[Markup]:
    for pair in found.pairs:
        judged = pair.judged
        heading = tag("h3", f"{letter(pair.row)} over {letter(0)}, turn by turn")
        if judged is None:
            yield tag("section", heading, tag("p", "There is no whole turn.", class_="aside"))
            continue
        said = "In a turn both run for a moment, one after the other; each round has fresh processes."
        yield tag(
            "section",
            heading,
            tag("p", said, class_="aside"),
            course_figure(turns_drawing(found, pair, judged)),
        )


def _about(found: Comparison) -> Iterator[Markup]:
    for index, row in enumerate(found.rows):
        yield folded(f"{letter(index)}, {candidate(row)}", row_facts(row))
