"""How every report says a number, a name and a reason."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from cloformer.io.output import width
from cloformer.io.words import bounded, count, plain

__all__ = ["count", "decibels", "loads", "number", "plain", "tail", "times", "unreadable_lines", "wrapped"]

_NAMED = 20  # images that are named one by one


def wrapped(text: str, *, indent: int = 0, columns: int | None = None) -> list[str]:
    """In lines of so many columns, the terminal's if nobody says, the later ones indented. A path is not broken at its
    hyphens."""
    return textwrap.wrap(text, columns or width(), subsequent_indent=" " * indent, break_on_hyphens=False)


def tail(text: str, width: int) -> str:
    """The end of a name that is too long: the innermost module says more than the outermost."""
    text = plain(text)
    return text if len(text) <= width else "..." + text[len(text) - width + 3 :]


def loads(before: float | None, after: float | None) -> str:
    """Two load averages, ``0.52, then 1.20``; nothing where the system does not say."""
    return "" if before is None or after is None else f"{before:.2f}, then {after:.2f}"


def number(value: float) -> str:
    """Two significant digits: an error has no more."""
    if math.isnan(value):
        return "no number"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return "0" if value == 0 else f"{value:.1e}"


def decibels(value: float) -> str:
    """A signal-to-noise ratio. Without noise it is infinite, and the two are equal."""
    if value == math.inf:
        return "exact"
    return f"{round(value)} dB" if math.isfinite(value) else "none"


def times(share: float) -> str:
    """An error over what is allowed."""
    return f"{share:,.0f}" if 10 <= share < math.inf else f"{share:.2g}" if share < math.inf else "infinite"


def unreadable_lines(reasons: Sequence[str], others: int) -> Iterator[str]:
    """What is told of images that cannot be read while ``others`` were taken; nothing if there is none. The last two lines
    are the error."""
    if not reasons:
        return
    yield from reasons[:_NAMED] if len(reasons) > 1 else ()
    if len(reasons) > _NAMED:
        yield f"and {len(reasons) - _NAMED:,} more (--json has them all)"
    said = reasons[0] if len(reasons) == 1 else f"{count(reasons, 'image')} cannot be read"
    yield bounded(f"error: {said}")
    yield f"  {count(others, 'other image')} {'was' if others == 1 else 'were'} taken: mend or remove what cannot be read"
