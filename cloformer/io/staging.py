"""Putting an artifact in place: whole or not at all.

An artifact is built in a staging folder beside its destination, then the two change places in one
step. A staging folder is locked by the process that fills it; one that nobody holds was left by a
killed export, and the next export removes it. Where the filesystem cannot exchange two folders, two
renames with a note of them in between do it, and :func:`recover` takes back what stopped half-way.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cloformer.errors import CloformerError, InputError

__all__ = ["MANIFEST", "recover", "space_needed", "staged", "staging_beside"]

MANIFEST = "manifest.json"  # what a folder of ours is known by
_PREFIX = ".cloformer-staging-"
_JOURNAL = "replaces"  # in a staging folder: the name of the destination that `old` was moved away from
_CONTENT, _SCRATCH, _OLD = "content", "scratch", "old"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SPACE_WORDS = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_LOCKS = _UNSUPPORTED | {errno.EBADF, errno.ENOLCK}
_TRIES = 100  # to replace what other exports replace at the same time; a second try is rare already


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Yield an empty folder that takes ``destination``'s place when the block ends without an error.

    Temporary files that frameworks make meanwhile go beside it and leave with it; for that the block
    has the process's temporary folder to itself, so two blocks do not run at once in one process.
    Raises :class:`InputError` if the place cannot be written, is full, or holds something else than
    an artifact; what was there then stays as it was.
    """
    destination = destination.absolute()  # the block may change the current folder
    with _held_beside(destination, _refuse_foreign) as staging:
        with _told_when_full(destination), _temporary_files_in(staging / _SCRATCH):
            yield staging / _CONTENT
        with _told(destination):
            _sync(staging / _CONTENT)
            _replace(staging, destination)


@contextlib.contextmanager
def staging_beside(destination: Path) -> Iterator[Path]:
    """Yield an empty folder on ``destination``'s filesystem, for the block to move to its place itself; what is left
    of it goes. :class:`InputError` if the place cannot be written."""
    with _held_beside(destination.absolute()) as staging, _told(destination):
        yield staging / _CONTENT


@contextlib.contextmanager
def _held_beside(destination: Path, check: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """A staging folder that this process holds; those of killed processes go first."""
    parent = destination.parent
    with _told(destination):
        parent.mkdir(parents=True, exist_ok=True)
        check(destination)
        recover(parent)
        staging, lock = _create(parent)
    try:
        yield staging
    finally:
        _remove(staging, lock)


def recover(parent: Path) -> None:
    """Remove what killed exports left in ``parent``, and take back a swap that one was in the middle of.

    Afterwards every artifact there is whole, the old one or the new. Readers call it too, so nothing is
    raised: what cannot be looked at or removed here stays for whoever can.
    """
    with contextlib.suppress(OSError):
        for staging in sorted(parent.glob(f"{_PREFIX}*")):
            with contextlib.suppress(OSError):
                lock = _lock(staging)
                if lock is not None:  # else its owner lives
                    _remove(staging, lock)


def space_needed(parent: Path, size: int) -> None:
    """Raise :class:`InputError` if fewer than ``size`` bytes are free where ``parent`` is, or will be made."""
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    free = shutil.disk_usage(parent).free
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
        if not _comes_of_a_full_disk(error, destination.parent):
            raise
        raise InputError(
            f"no space left while writing {destination}", "free some space, or choose another --output"
        ) from error


def _comes_of_a_full_disk(error: BaseException | None, folder: Path) -> bool:
    """Whether ``error``, or one that it came from, says so, or happened where the disk is full."""
    reported = False
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            return True
        if any(words in str(error) for words in _NO_SPACE_WORDS):  # C++ code has only the words
            return True
        # Or it says no more than that writing failed. What this package found out itself is no such error.
        reported = reported or not isinstance(error, CloformerError)
        error = error.__cause__ or error.__context__
    with contextlib.suppress(OSError):
        return reported and shutil.disk_usage(folder).free < 2**20
    return False


def _refuse_foreign(destination: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        seen = destination.lstat()
        if not stat.S_ISDIR(seen.st_mode):
            raise InputError(f"{destination} is in the way: it is not a folder", "choose another --output")
        names = {path.name for path in destination.iterdir()}
        # Another export may have taken it away and begun to remove it; then it is not what is there now.
        if names and MANIFEST not in names and os.path.samestat(seen, destination.lstat()):
            raise InputError(
                f"{destination} is in the way: it holds files and no {MANIFEST}, so it is not an artifact",
                "move it away, or choose another --output",
            )


def _create(parent: Path) -> tuple[Path, int]:
    """A new staging folder and the lock that says that its owner lives."""
    while True:
        staging = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = None
        try:
            lock = _lock(staging)
            if lock is None:
                continue  # between making and locking it, another export took it for a dead one's
            (staging / _CONTENT).mkdir()
            (staging / _SCRATCH).mkdir()
            return staging, lock
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            if lock is not None:
                os.close(lock)
            raise


def _lock(folder: Path) -> int | None:
    """The open descriptor that holds ``folder``; None if another process holds it or it is gone.

    Network filesystems cannot lock a folder; there a file in it is locked. :class:`OSError` if the
    folder cannot be opened, or nothing can be locked at all.
    """
    for path, flags in ((folder, os.O_RDONLY | os.O_DIRECTORY), (folder / "lock", os.O_RDWR | os.O_CREAT)):
        try:
            descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed it between the two calls: the lock is then on nothing.
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _NO_LOCKS:
                raise
            continue
        os.close(descriptor)
        return None
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), str(folder))


def _remove(staging: Path, lock: int) -> None:
    """Remove a staging folder that this process holds; an artifact that it holds goes back first."""
    with contextlib.suppress(OSError):  # an artifact that cannot go back stays where it is
        _take_back(staging)
        shutil.rmtree(staging, ignore_errors=True)
    os.close(lock)
    with contextlib.suppress(OSError):
        staging.rmdir()  # network filesystems keep the name of an open file until it is closed


def _take_back(staging: Path) -> None:
    """Undo a swap that stopped between its two renames; ``content`` is still there only then."""
    journal, old = staging / _JOURNAL, staging / _OLD
    if old.exists() and journal.exists() and (staging / _CONTENT).exists():
        _move(old, staging.parent / Path(os.fsdecode(journal.read_bytes())).name)
    # From here on `old` may be removed in part: it must never go back again.
    journal.unlink(missing_ok=True)


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
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = variable


def _sync(folder: Path) -> None:
    """``folder`` and everything in it on the disk; what a link leads to is not part of it."""
    for path in [*folder.rglob("*"), folder]:
        if not path.is_symlink():
            _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED or not path.is_dir():  # some filesystems sync files alone
            raise
    finally:
        os.close(descriptor)


def _replace(staging: Path, destination: Path) -> None:
    """Put ``content`` at ``destination``, which other exports may take or leave in the meantime."""
    content = staging / _CONTENT
    for _ in range(_TRIES):
        _refuse_foreign(destination)  # an export takes minutes, and someone may have put a folder there
        with contextlib.suppress(FileNotFoundError):  # it was there, and now it is not
            if _move(content, destination) or _exchange(content, destination) or _swap(staging, destination):
                break
    else:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(destination))
    with contextlib.suppress(OSError):  # it is in place, whether or not the disk has heard of it
        _sync_one(destination.parent)


def _move(folder: Path, destination: Path) -> bool:
    """Rename ``folder`` to ``destination``; False if there is a folder already that is not empty."""
    try:
        folder.rename(destination)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _swap(staging: Path, destination: Path) -> bool:
    """An exchange in two renames, noted for :func:`recover`; False if another export got in between."""
    journal, old = staging / _JOURNAL, staging / _OLD
    journal.write_bytes(os.fsencode(destination.name))
    _sync_one(journal)
    _sync_one(staging)
    destination.rename(old)
    if _move(staging / _CONTENT, destination):
        return True
    journal.unlink()  # the other export's is newer than the one moved away
    shutil.rmtree(old)
    return False


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders change places in one step; False where the system or the filesystem cannot."""
    names = os.fsencode(first), os.fsencode(second)
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        code = libc.renamex_np(*names, ctypes.c_uint(2))  # RENAME_SWAP
    elif hasattr(libc, "renameat2"):
        here = -100  # AT_FDCWD
        code = libc.renameat2(here, names[0], here, names[1], ctypes.c_uint(2))  # RENAME_EXCHANGE
    else:
        return False
    number = ctypes.get_errno()
    if code and number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number), str(second))
    return not code
