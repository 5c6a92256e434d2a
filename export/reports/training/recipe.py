"""A recipe as text: each number with its name and with what it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..shared.words import wrapped

__all__ = ["lines"]

_WIDTH = 110


def lines(described: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """A line per (name, value, meaning), and how one is changed."""
    names, values = (max(len(row[column]) for row in described) for column in (0, 1))
    for name, value, meaning in described:
        text = f"{name:<{names}}  {value:<{values}}  {meaning}"
        yield from wrapped(text, columns=_WIDTH, indent=names + values + 4)
    yield "  change one with --set NAME=VALUE, for example --set epochs=10"
