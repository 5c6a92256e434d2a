"""A user's own files, taken into the folder that takes the place of theirs.

Nothing is moved and nothing is copied where it can be helped: each file gets a second name, so that the folder it was
in stays whole until the two change places, and an editor that has it open writes to the same file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from cloformer.errors import CloformerError, InputError
from cloformer.io.read import sha256_of
from cloformer.io.words import reason_of

__all__ = ["carry_over", "keep_edited"]


def keep_edited(
    old: Path,
    new: Path,
    written: Mapping[str, str],
    earlier: Mapping[str, str],
    ours: Collection[str],
    record: str,
) -> tuple[str, ...]:
    """Take what is the user's in ``old`` into ``new``: what they have added, and the files that they have edited, which are
    returned. ``written`` are the hashes of what is in ``new``, ``earlier`` of what an earlier bundle wrote into ``old``: what is
    left of that is left out, and so is ``record``. What is ``ours`` is replaced whatever it holds.

    Raises :class:`InputError` for what is in the way and was never ours, and for what cannot be kept.
    """
    kept = _edited(old, written, earlier, ours)
    for name in kept:
        (new / name).unlink(missing_ok=True)
    try:
        carry_over(old, new, {record, *earlier} - set(kept))
    except (OSError, RecursionError) as error:
        raise InputError(
            f"{getattr(error, 'filename', None) or old} cannot be kept: {reason_of(error)}; nothing was replaced",
            "give the right to read it, or give another --output",
        ) from None
    return kept


def _edited(
    folder: Path, written: Mapping[str, str], earlier: Mapping[str, str], ours: Collection[str]
) -> tuple[str, ...]:
    """Files that the user has changed, which stay. :class:`InputError` for one in the way that was never ours."""
    edited = []
    for name in sorted({*written, *earlier}):
        path = _inside(folder, name)
        if not path.exists() and not path.is_symlink():
            continue
        if not path.is_file() or path.is_symlink() or (name not in earlier and name in written):
            raise InputError(
                f"{path} is in the way and is not of an earlier bundle", "move it, or give another --output"
            )
        if name not in ours and sha256_of(path) not in (earlier.get(name), written.get(name)):
            edited.append(name)
    return tuple(edited)


def _inside(folder: Path, name: str) -> Path:
    """The file's place; :class:`InputError` if a link on the way leads out of the folder."""
    path = folder.joinpath(*PurePosixPath(name).parts)
    for parent in path.parents:
        if parent == folder:
            return path
        if parent.is_symlink():
            raise InputError(
                f"{parent} is a link, and what is bundled stays in its folder", "remove the link"
            )
    raise CloformerError(f"{name} is not below {folder}")


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
