"""Writing a report's file."""

from __future__ import annotations

from pathlib import Path

from cloformer.io.write import write_whole

__all__ = ["write_report"]


def write_report(path: Path, content: str | bytes) -> None:
    """Whole or not at all; :class:`InputError` if the place cannot be written."""
    write_whole(path, content, "choose another place for the report")
