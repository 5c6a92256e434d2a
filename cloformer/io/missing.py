"""Files that may be meant by the name of one that is not there."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .near import closest

__all__ = ["is_file", "near_files"]


def is_file(path: Path) -> bool:
    """Whether there is a file; False for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def near_files(missing: Path, endings: Collection[str]) -> list[Path]:
    """Files of these ``endings`` in the folder of a missing one, the likeliest first: those of the same name with another
    ending, then one of almost the same."""
    try:
        names = sorted(each.name for each in missing.parent.iterdir() if each.suffix in endings)
    except (OSError, ValueError):
        return []
    stems = {Path(name).stem: name for name in reversed(names)}
    near = closest(missing.stem, stems)
    found = [name for name in names if Path(name).stem == missing.stem]
    found += [] if near in (None, missing.stem) else [stems[near]]
    return [missing.parent / name for name in found]
