"""A user's own files, taken into the folder that takes the place of theirs.

Nothing is moved and nothing is copied where it can be helped: each file gets a second name, so that the folder it was
in stays whole until the two change places, and an editor that has it open writes to the same file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Collection
from pathlib import Path

__all__ = ["carry_over"]


def carry_over(old: Path, new: Path, left_out: Collection[str], below: str = "") -> None:
    """Everything in ``old`` that is not in ``new`` yet, but for the files ``left_out``, whose paths begin at the
    topmost folder. Folders keep their rights and times, links stay links. :class:`OSError` for what cannot be read.
    """
    for entry in sorted(os.scandir(old), key=lambda entry: entry.name):
        target, name = new / entry.name, below + entry.name
        if entry.is_dir(follow_symlinks=False):
            target.mkdir(exist_ok=True)
            carry_over(Path(entry.path), target, left_out, f"{name}/")
        elif name not in left_out and not os.path.lexists(target):
            _second_name(Path(entry.path), target)
    _like(old, new)


def _second_name(file: Path, target: Path) -> None:
    """A hard link; a copy where the filesystem has none or the file is another user's."""
    try:
        os.link(file, target, follow_symlinks=False)
    except OSError:
        if not stat.S_ISREG(file.lstat().st_mode) and not file.is_symlink():
            raise  # a pipe or a socket, which has no copy
        shutil.copy2(file, target, follow_symlinks=False)


def _like(old: Path, new: Path) -> None:
    seen = old.stat()
    with contextlib.suppress(OSError):  # only a superuser gives files away
        os.chown(new, seen.st_uid, seen.st_gid)
    shutil.copystat(old, new)
