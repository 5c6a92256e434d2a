"""What is inside a written model, read from the file itself and from nothing that is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Contents", "ReadsContents"]


@dataclass(frozen=True)
class Contents:
    """``results``: the type of every number that an operator computes, by the value's name; what only converts between
    types is left out. ``weights``: how many numbers are stored, by their type. ``labels``: the class names inside, in order;
    None if it has none."""

    results: Mapping[str, str]
    weights: Mapping[str, int]
    labels: tuple[str, ...] | None = None


class ReadsContents(Protocol):
    """A module ``contents`` of a format's folder."""

    def read_contents(self, path: Path) -> Contents:
        """:class:`InputError` if the file cannot be read."""
