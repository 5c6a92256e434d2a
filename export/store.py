"""Putting an artifact in place: whole or not at all.

An artifact is built in a staging folder beside its destination, then the two change places in one
step. A staging folder is locked by the process that fills it; one that nobody holds was left by a
killed export, and the next export removes it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .artifact import MANIFEST
from .errors import InputError

__all__ = ["recover", "space_needed", "staged"]

_PREFIX = ".cloformer-staging-"
_JOURNAL = "replaces"  # in a staging folder: the name of the destination it was moved away from
_CONTENT, _SCRATCH, _OLD = "content", "scratch", "old"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Yield an empty folder that takes ``destination``'s place when the block ends without an error.

    Temporary files that frameworks make meanwhile go beside it and leave with it. Raises
    :class:`InputError` if the place cannot be written, is full, or holds something else than an
    artifact; what was there then stays as it was.
    """
    parent = destination.parent
    with _told(destination):
        parent.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(destination)
        recover(parent)
        staging, lock = _create(parent)
    try:
        with _told_when_full(destination), _temporary_files_in(staging / _SCRATCH):
            yield staging / _CONTENT
        with _told(destination):
            _sync(staging / _CONTENT)
            _replace(staging, destination)
    finally:
        _clean(staging)
        os.close(lock)


def recover(parent: Path) -> None:
    """Remove what killed exports left in ``parent``, and finish a swap that one was in the middle of."""
    for staging in sorted(parent.glob(f"{_PREFIX}*")):
        lock = _lock(staging)
        if lock is None:
            continue  # its owner lives
        try:
            _clean(staging)
        finally:
            os.close(lock)


def _clean(staging: Path) -> None:
    """Remove a staging folder; an artifact that was moved into it and not replaced goes back first."""
    journal, old = staging / _JOURNAL, staging / _OLD
    if journal.exists() and old.exists():
        destination = staging.parent / Path(journal.read_text("utf-8")).name
        if not destination.exists():
            old.rename(destination)
    shutil.rmtree(staging, ignore_errors=True)


def space_needed(folder: Path, size: int) -> None:
    """Raise :class:`InputError` if fewer than ``size`` bytes are free where ``folder`` is."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise InputError(
            f"no space left for the export: it needs about {size / 1e6:.0f} MB and {free / 1e6:.0f} MB are free",
            "free some space, or choose another --output",
        )


@contextlib.contextmanager
def _told(destination: Path) -> Iterator[None]:
    """Turn what the system says of the place into an error that says what to do."""
    try:
        with _told_when_full(destination):
            yield
    except OSError as error:
        raise InputError(
            f"{destination} cannot be written: {error.strerror or error}", "choose another --output"
        ) from error


@contextlib.contextmanager
def _told_when_full(destination: Path) -> Iterator[None]:
    """The same for a full disk alone, whichever framework's code it is that meets it."""
    try:
        yield
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in _NO_SPACE
        # C++ code has only the words, or says no more than that writing failed.
        if not full and os.strerror(errno.ENOSPC) not in str(error) and not _is_full(destination.parent):
            raise
        raise InputError(
            f"no space left while writing {destination}", "free some space, or choose another --output"
        ) from error


def _is_full(folder: Path) -> bool:
    return folder.is_dir() and shutil.disk_usage(folder).free < 2**20


def _refuse_foreign(destination: Path) -> None:
    if destination.is_symlink() or (destination.exists() and not destination.is_dir()):
        raise InputError(f"{destination} is in the way: it is not a folder", "choose another --output")
    if destination.is_dir() and any(destination.iterdir()) and not (destination / MANIFEST).is_file():
        raise InputError(
            f"{destination} is in the way: it holds files and no {MANIFEST}, so it is not an artifact",
            "move it away, or choose another --output",
        )


def _create(parent: Path) -> tuple[Path, int]:
    """A new staging folder and the lock that says that its owner lives."""
    while True:
        staging = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        # Between making and locking it, another export may have taken it for a dead one's.
        lock = _lock(staging)
        if lock is not None:
            try:
                (staging / _CONTENT).mkdir()
                (staging / _SCRATCH).mkdir()
            except FileNotFoundError:
                os.close(lock)
                continue
            return staging, lock


def _lock(folder: Path) -> int | None:
    """The folder opened and locked; None if another process holds it or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Frameworks write temporary packages; a killed export must not leave them elsewhere."""
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable


def _sync(folder: Path) -> None:
    """Everything in ``folder`` on the disk, files first."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(staging: Path, destination: Path) -> None:
    content = staging / _CONTENT
    if not destination.exists():
        content.rename(destination)
    elif not _exchange(content, destination):
        _swap_with_journal(staging, destination)


def _swap_with_journal(staging: Path, destination: Path) -> None:
    """Two renames, and a note in between for :func:`recover`: for filesystems without an exchange."""
    (staging / _JOURNAL).write_text(destination.name, "utf-8")
    _sync(staging / _JOURNAL)
    destination.rename(staging / _OLD)
    (staging / _CONTENT).rename(destination)


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders change places in one step; False where the system or the filesystem cannot."""
    names = os.fsencode(first), os.fsencode(second)
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        swap = 2  # RENAME_SWAP
        code = libc.renamex_np(*names, ctypes.c_uint(swap))
    elif hasattr(libc, "renameat2"):
        here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        code = libc.renameat2(here, names[0], here, names[1], ctypes.c_uint(exchange))
    else:
        return False
    if code == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(second))
