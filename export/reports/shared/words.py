"""How every report says a number, a name and a reason."""

from __future__ import annotations

import math

from cloformer.io.words import count, plain

__all__ = ["count", "decibels", "number", "plain", "tail", "times"]


def tail(text: str, width: int) -> str:
    """The end of a name that is too long: the innermost module says more than the outermost."""
    text = plain(text)
    return text if len(text) <= width else "..." + text[len(text) - width + 3 :]


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
    return f"{value:.0f} dB" if math.isfinite(value) else "none"


def times(share: float) -> str:
    """An error over what is allowed."""
    return f"{share:,.0f}" if 10 <= share < math.inf else f"{share:.2g}" if share < math.inf else "infinite"
