"""Class names, one a line in a text file. A name may be there twice: in ImageNet's own list "crane" and "maillot" are."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from cloformer.errors import InputError
from cloformer.io.read import read_text
from cloformer.io.words import bounded

__all__ = ["check_names", "first_repeated", "read_labels"]

_MAX_BYTES = 2**24
_LONGEST = 1000  # characters of a name
_ADVICE = "give a UTF-8 file, one class name a line"


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names, one a line in UTF-8, whichever way its lines end; :class:`InputError` if one is empty, or not to
    be shown, or if the file cannot be read."""
    # Not splitlines, which ends lines at characters that no editor shows as an end.
    lines = read_text(path, _MAX_BYTES, _ADVICE).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    try:
        return check_names([line.strip() for line in lines])
    except ValueError as error:
        raise InputError(f"labels {path}: {error}", _ADVICE) from None


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of classes; :class:`ValueError` if there is none, or one is empty, long beyond reason, or holds a
    control character: an app would show it too."""
    if not names:
        raise ValueError("there is no name")
    for number, name in enumerate(names, 1):
        if not name:
            raise ValueError(f"line {number} is an empty line")
        if len(name) > _LONGEST:
            raise ValueError(f"line {number} has {len(name)} characters, more than {_LONGEST}")
        if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name):
            raise ValueError(f"line {number}, {bounded(name, 80)}, has a character that no name has")
    return tuple(names)


def first_repeated(names: Sequence[str]) -> tuple[str, int, int] | None:
    """The first name that is there again, with the two lines, from 1 on; None if all differ."""
    lines: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        before = lines.setdefault(name, number)
        if before != number:
            return name, before, number
    return None
