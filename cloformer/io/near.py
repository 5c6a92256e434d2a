"""Which known name a misspelt one means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["closest"]

_LONGEST = 80  # characters that are compared: no name is longer


def closest(value: str, known: Iterable[str]) -> str | None:
    """The one known name that ``value`` is a misspelling of, or None: never a wrong one."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(value[:_LONGEST].lower(), names, n=1, cutoff=0.75)
    return names[near[0]] if near else None
