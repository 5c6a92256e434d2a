"""Tables that programs write into documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["replace_between"]


def replace_between(path: Path, begin: str, end: str, lines: Sequence[str]) -> None:
    """Put ``lines`` between the two marks, each of which ``path`` holds once."""
    before, rest = path.read_text("utf-8").split(begin)
    _, after = rest.split(end)
    path.write_text("\n".join([before + begin, *lines, end]) + after, "utf-8")
