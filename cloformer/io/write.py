"""The one writer of files: whole or not at all, as :mod:`.staging` is of folders.

A file is made beside its place under a new name, and renamed when all of it is on the disk. Nothing is written through a
link, into an artifact's folder, or in place of what is no file. What a killed process left goes before the next file
comes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cloformer.errors import InputError

from .place import NO_LOCKS, lock, make_folders, refuse_inside_an_artifact, sync
from .signals import signals_wait
from .words import escape_controls, escape_halves

__all__ = [
    "append_text",
    "canonical_json",
    "open_in_place",
    "refuse_unwritable",
    "remove_what_was_left",
    "write_whole",
]

_PREFIX = ".cloformer-new-"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_whole(path: Path, content: str | bytes, advice: str) -> None:
    """Write a file whole or not at all, with the folders it is in; text is UTF-8.

    :class:`InputError`, with ``advice``, if the place cannot be written, is inside an artifact, or holds something else
    than a file. A link there is replaced; what it leads to stays as it is.
    """
    data = escape_halves(content).encode() if isinstance(content, str) else content
    try:
        refuse_inside_an_artifact(path, advice)
        _refuse_no_file(path, advice)
        make_folders(path.parent)
        remove_what_was_left(path.parent)
        with signals_wait(), _new_beside(path) as (new, file):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            new.rename(path)
        with contextlib.suppress(OSError):  # it is in place, whether or not the disk has heard of it
            sync(path.parent)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be written: {reason}", advice) from None


def refuse_unwritable(path: Path, advice: str) -> None:
    """:class:`InputError`, with ``advice``, as :func:`write_whole` would raise it now; nothing is left behind."""
    try:
        refuse_inside_an_artifact(path, advice)
        parent = path.parent
        while not parent.exists():
            parent = parent.parent
        if not parent.is_dir():
            raise InputError(f"{path} cannot be written: {parent} is not a folder", advice)
        _refuse_no_file(path, advice)
        with signals_wait(), _new_beside(parent / path.name):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be written: {reason}", advice) from None


def open_in_place(path: Path) -> BinaryIO:
    """The file at ``path`` to be read and written where it is, made if it is not there; :class:`OSError`.

    For files that are whole by an order of their own, and have their space beforehand.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no file")
    return os.fdopen(descriptor, "r+b")


def append_text(path: Path, text: str, advice: str) -> None:
    """Add to a file that others write too; :class:`InputError`, with ``advice``, if it cannot be."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("it is no file")
            file.write(escape_halves(text).encode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be written: {reason}", advice) from None


def canonical_json(value: object) -> str:
    """The same value always as the same text: sorted keys, two spaces, one newline at the end."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return escape_controls(text) + "\n"


@contextlib.contextmanager
def _new_beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in the folder of ``path``, locked as long as this process fills it; it goes if it was not renamed."""
    while True:
        new = path.with_name(f"{_PREFIX}{secrets.token_hex(8)}")
        with os.fdopen(os.open(new, _NEW, 0o666), "wb") as file:
            try:
                if _held(new, file.fileno()):
                    yield new, file
                    return
            finally:
                with contextlib.suppress(OSError):
                    new.unlink(missing_ok=True)


def _held(new: Path, descriptor: int) -> bool:
    """Whether the lock on a new file was taken before another process saw it as a dead one's."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return True  # where nothing can be locked, nothing is taken for a dead one's
    try:
        return os.path.samestat(os.fstat(descriptor), new.lstat())
    except FileNotFoundError:
        return False


def _refuse_no_file(path: Path, advice: str) -> None:
    """A device, a pipe or a folder is not replaced, nor a link to one."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "a pipe or a device"
        raise InputError(f"{path} cannot be written: it is {what}", advice)


def remove_what_was_left(folder: Path) -> None:
    """Remove the unfinished files of killed processes in ``folder``."""
    for path in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # what cannot be removed here stays for whoever can
            if not stat.S_ISREG(path.lstat().st_mode):
                continue
            held = lock(path, os.O_RDONLY)
            if held is not None:
                path.unlink()
                os.close(held)
