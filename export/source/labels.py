"""Class names, one a line in a text file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError

if TYPE_CHECKING:
    pass


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names, one a line in UTF-8; :class:`InputError` if one is empty, repeated or unreadable."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"labels {path} cannot be read: {error}", "give a UTF-8 file, one class name a line"
        ) from None
    while lines and not lines[-1].strip():
        lines.pop()
    names = tuple(line.strip() for line in lines)
    if not names or "" in names:
        raise InputError(f"labels {path} has an empty line or no line", "give one class name a line")
    if len(set(names)) != len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise InputError(f"labels {path} has {twice!r} twice", "give every class a name of its own")
    return names
