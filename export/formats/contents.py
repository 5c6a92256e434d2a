"""What is inside a written model, read from the file itself and from nothing that is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

__all__ = ["Contents", "ReadsContents"]


@dataclass(frozen=True)
class Contents:
    """``results``: the type of every number that an operator computes, by the value's name; what only converts between
    types is left out. ``weights``: how many numbers are stored, by their type. ``labels``: the class names inside, in order;
    None if it has none. ``read_by``: of the weights, those that the operator of each value reads, each of them once, in a format
    whose files may compute some values in another precision."""

    results: Mapping[str, str]
    weights: Mapping[str, int]
    labels: tuple[str, ...] | None = None
    read_by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class ReadsContents(Protocol):
    """A module ``contents`` of a format's folder."""

    def read_contents(self, path: Path) -> Contents:
        """:class:`InputError` if the file cannot be read."""
