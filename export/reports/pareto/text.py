"""Artifacts side by side as text, dominated ones marked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloformer.io.output import width

from ..shared.table import Column, fitted
from ..shared.words import count, plain, tail, wrapped

if TYPE_CHECKING:
    from ...pareto.figures import Figure, Reading
    from ...pareto.front import Front

__all__ = ["headline", "law", "render", "shown", "title", "verdict", "widest"]

_WHOLE = 100_000  # columns where there is no terminal
_LEAST = 14  # columns of a name that is too long
_NUMBER = "{:>3}  "  # of a row


def render(front: Front) -> Iterator[str]:
    """A row for each artifact, the smallest first; below it, what the verdicts mean."""
    heads = [title(figure) for figure in front.figures]
    rows = [
        {title(figure): shown(figure, item.readings[figure.name]) for figure in front.figures}
        for item in front.candidates
    ]
    columns = [
        Column(head, 2 + max(len(head), *(len(row[head]) for row in rows)), rank)
        for head, rank in zip(heads, _ranks(len(heads)), strict=True)
    ]
    verdicts = [verdict(front, place) for place in range(len(rows))]
    room = width(_WHOLE) - len(_NUMBER.format(0)) - 2 - max(map(len, verdicts))
    kept = fitted(columns, room - _LEAST)
    names = [plain(item.artifact) for item in front.candidates]
    widest_name = min(max(map(len, names)), max(room - kept.width, _LEAST))
    yield f"{'':<{len(_NUMBER.format(0)) + widest_name}}{kept.head}"
    for place, (name, row, said) in enumerate(zip(names, rows, verdicts, strict=True), 1):
        yield f"{_NUMBER.format(place)}{tail(name, widest_name):<{widest_name}}{kept.row(row)}  {said}".rstrip()
    yield ""
    for line in (*kept.said(), headline(front), law(front), *widest(front)):
        yield from wrapped(line)


def _ranks(figures: int) -> list[int]:
    """Of a narrow terminal's columns the first and the last figure stay: what it weighs, and how good it is."""
    return [0 if place in (0, figures - 1) else place for place in range(figures)]


def title(figure: Figure) -> str:
    """``size, MB``; of shares the name alone, for they are shown with their sign."""
    return figure.title if figure.unit == "share" else f"{figure.title}, {figure.unit}"


def shown(figure: Figure, reading: Reading) -> str:
    """With the digits that its kind has."""
    value = reading.value
    if not math.isfinite(value):
        return "exact" if value > 0 else "none"
    if figure.unit == "share":
        return f"{value:.2%}"
    return f"{value:,.1f}" if figure.unit in ("dB", "million") else f"{value:,.2f}"


def verdict(front: Front, place: int) -> str:
    """The smallest of those that dominate a candidate and that nobody dominates; --json names all. Empty of one that is not
    dominated."""
    best = set(front.undominated)
    above = next((other for other in front.dominators[place] if other in best), None)
    return "" if above is None else f"dominated by {above + 1}"


def headline(front: Front) -> str:
    number, fewer = len(front.candidates), len(front.candidates) - len(front.undominated)
    return f"{fewer or 'none'} of {count(number, 'artifact')} {'are' if fewer > 1 else 'is'} dominated"


def law(front: Front) -> str:
    """What dominated means, by the figures that are shown."""
    names = [figure.title for figure in front.figures]
    return (
        f"dominated: another is at least as good in {', '.join(names[:-1])} and {names[-1]}, and better in one"
        if len(names) > 1
        else f"dominated: another has the better {names[0]}"
    )


def widest(front: Front) -> Iterator[str]:
    """How far a share of few images may be from the truth."""
    for figure in front.figures:
        found = [item.readings[figure.name] for item in front.candidates]
        spans = [reading.interval for reading in found if reading.interval is not None]
        if spans:
            low, high = max(spans, key=lambda span: span[1] - span[0])
            images = found[0].conditions.get("images")
            yield (
                f"{figure.title} is of {images} images: its 95 % intervals are up to {100 * (high - low):.1f} points wide, and a smaller "
                "difference may be chance"
            )
