"""The one writer of folders: an artifact, an app project or a folder for the Hub, whole or not at all.

A folder is built in a staging folder beside its destination, then the two change places in one
step. A staging folder is locked by the process that fills it; one that nobody holds was left by a
killed process, and the next one removes it. Where the filesystem cannot exchange two folders, two
renames with a note of them in between do it, and :func:`recover` takes back what stopped half-way.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cloformer.errors import CloformerError, InputError

from .causes import causes
from .place import MANIFEST, NO_LOCKS, UNSUPPORTED, lock, make_folders, refuse_inside_an_artifact, sync
from .read import read_bytes
from .signals import signals_wait

__all__ = ["MANIFEST", "recover", "refuse_what_is_there", "space_needed", "staged"]

_PREFIX = ".cloformer-staging-"
_JOURNAL = "replaces"  # in a staging folder: the name of the destination that `old` was moved away from
_CONTENT, _SCRATCH, _OLD = "content", "scratch", "old"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SPACE_WORDS = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
_ADVICE = "choose another --output"
_MAX_NAME = 4096  # bytes
_TRIES = 100  # to replace what other exports replace at the same time; a second try is rare already


Check = Callable[[Path], None]  # of a destination; raises an error if what is there may not be replaced


def _refuse_foreign(destination: Path) -> None:
    """:class:`InputError` for what is no artifact."""
    with contextlib.suppress(FileNotFoundError):
        seen = destination.lstat()
        if not stat.S_ISDIR(seen.st_mode):
            raise InputError(f"{destination} is in the way: it is not a folder", _ADVICE)
        names = {path.name for path in destination.iterdir()}
        # Another export may have taken it away and begun to remove it; then it is not what is there now.
        if names and MANIFEST not in names and os.path.samestat(seen, destination.lstat()):
            raise InputError(
                f"{destination} is in the way: it holds files and no {MANIFEST}, so it is not an artifact",
                f"move it away, or {_ADVICE}",
            )


def refuse_what_is_there(destination: Path, advice: str = _ADVICE) -> None:
    """:class:`InputError`, with ``advice``, for anything but an empty folder."""
    if destination.is_symlink() or (destination.exists() and not destination.is_dir()):
        raise InputError(f"{destination} is not a folder", advice)
    if destination.exists() and any(destination.iterdir()):
        raise InputError(f"{destination} is not empty", advice)


@contextlib.contextmanager
def staged(destination: Path, check: Check = _refuse_foreign, advice: str = _ADVICE) -> Iterator[Path]:
    """Yield an empty folder that takes ``destination``'s place when the block ends without an error.

    ``check`` says what may be replaced: without one, an artifact or an empty folder. Temporary files that frameworks
    make meanwhile go beside it and leave with it; for that the block has the process's temporary folder to itself, so
    two blocks do not run at once in one process. Raises :class:`InputError` if the place cannot be written, is full, is
    inside an artifact, or holds what may not be replaced; what was there then stays as it was.
    """
    destination = destination.absolute()  # the block may change the current folder
    with _held_beside(destination, check, advice) as staging:
        with _explained_when_full(destination, advice), _temporary_files_in(staging / _SCRATCH):
            yield staging / _CONTENT
        with _explained(destination, advice):
            _sync(staging / _CONTENT)
            _replace(staging, destination, check)


@contextlib.contextmanager
def _held_beside(destination: Path, check: Check, advice: str) -> Iterator[Path]:
    """A staging folder that this process holds; those of killed processes go first."""
    parent = destination.parent
    with _explained(destination, advice):
        refuse_inside_an_artifact(destination, advice)
        make_folders(parent)
        recover(parent)  # also where the check then refuses: what a killed run left goes
        check(destination)
    staging, held = None, -1
    try:
        with signals_wait(), _explained(destination, advice):
            staging, held = _create(parent)
        yield staging
    finally:
        if staging is not None:
            with signals_wait():
                _remove(staging, held)


def refuse_early(destination: Path, check: Check = _refuse_foreign, advice: str = _ADVICE) -> None:
    """Raise what :func:`staged` would, as far as that can be told without making anything."""
    with _explained(destination, advice):
        refuse_inside_an_artifact(destination, advice)
        check(destination)
        parent = destination.absolute().parent
        while not parent.exists() and parent != parent.parent:
            parent = parent.parent
        if not parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent))
        if not os.access(parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(parent))


def recover(parent: Path) -> None:
    """Remove what killed exports left in ``parent``, and take back a swap that one was in the middle of.

    Afterwards every artifact there is whole, the old one or the new. Readers call it too, so nothing is
    raised: what cannot be looked at or removed here stays for whoever can.
    """
    with contextlib.suppress(OSError):
        for staging in sorted(parent.glob(f"{_PREFIX}*")):
            with contextlib.suppress(OSError), signals_wait():
                held = _lock(staging)
                if held is not None:  # else its owner lives
                    _remove(staging, held)


def space_needed(parent: Path, size: int, what: str = "export", advice: str = _ADVICE) -> None:
    """Raise :class:`InputError`, with ``advice``, if fewer than ``size`` bytes are free for ``what`` where ``parent`` is,
    or will be made."""
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free < size:
        raise InputError(
            f"no space left for the {what}: it needs about {size / 1e6:.0f} MB and {free / 1e6:.0f} MB are free",
            f"free some space, or {advice}",
        )


@contextlib.contextmanager
def _explained(destination: Path, advice: str) -> Iterator[None]:
    """Turn what the system says of the place into an error that says what to do."""
    try:
        with _explained_when_full(destination, advice):
            yield
    except OSError as error:
        raise InputError(f"{destination} cannot be written: {error.strerror or error}", advice) from error


@contextlib.contextmanager
def _explained_when_full(destination: Path, advice: str) -> Iterator[None]:
    """The same for a full disk alone, whichever framework's code it is that meets it."""
    try:
        yield
    except Exception as error:  # whichever framework's own; what is no full disk passes through
        if not _comes_of_a_full_disk(error, destination.parent):
            raise
        raise InputError(
            f"no space left while writing {destination}", f"free some space, or {advice}"
        ) from error


def _comes_of_a_full_disk(error: BaseException, folder: Path) -> bool:
    """Whether ``error``, or one that it came from, says so, or happened where the disk is full."""
    reported = False
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
            return True
        if any(words in str(cause) for words in _NO_SPACE_WORDS):  # C++ code has only the words
            return True
        # Or it says no more than that writing failed. What this package found out itself is no such error.
        reported = reported or not isinstance(cause, CloformerError)
    with contextlib.suppress(OSError):
        return reported and shutil.disk_usage(folder).free < 2**20
    return False


def _create(parent: Path) -> tuple[Path, int]:
    """A new staging folder and the lock that says that its owner lives."""
    while True:
        staging = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        held = None
        try:
            held = _lock(staging)
            if held is None:
                continue  # between making and locking it, another export took it for a dead one's
            (staging / _CONTENT).mkdir()
            (staging / _SCRATCH).mkdir()
            return staging, held
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            if held is not None:
                os.close(held)
            raise


def _lock(folder: Path) -> int | None:
    """The open descriptor that holds ``folder``; None if another process holds it or it is gone.

    Network filesystems cannot lock a folder; there a file in it is locked. :class:`OSError` if the
    folder cannot be opened, or nothing can be locked at all.
    """
    try:
        return lock(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return lock(folder / "lock", os.O_RDWR | os.O_CREAT)


def _remove(staging: Path, held: int) -> None:
    """Remove a staging folder that this process holds; an artifact that it holds goes back first."""
    # An artifact that cannot go back stays where it is, and so does what is deeper than Python goes.
    with contextlib.suppress(OSError, RecursionError):
        _take_back(staging)
        _remove_all(staging)
    os.close(held)
    with contextlib.suppress(OSError):
        staging.rmdir()  # network filesystems keep the name of an open file until it is closed


def _remove_all(folder: Path) -> None:
    """As far as it can be; folders that a user had closed are opened for it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for inside, _, _ in os.walk(folder):  # from the top: what was opened is then gone through
            with contextlib.suppress(OSError):
                Path(inside).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _take_back(staging: Path) -> None:
    """Undo a swap that stopped between its two renames; ``content`` is still there only then."""
    journal, old = staging / _JOURNAL, staging / _OLD
    if old.exists() and journal.exists() and (staging / _CONTENT).exists():
        with contextlib.suppress(InputError):  # nothing that this package has left
            name = os.fsdecode(read_bytes(journal, _MAX_NAME, _ADVICE, follow_links=False))
            _move(old, staging.parent / Path(name).name)
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
    """``folder`` and everything in it on the disk; what a link leads to is not part of it, and a file that has another
    name besides is a user's, who has written it before."""
    for path in [*folder.rglob("*"), folder]:
        seen = path.lstat()
        if stat.S_ISDIR(seen.st_mode) or (stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1):
            sync(path)


def _replace(staging: Path, destination: Path, check: Check) -> None:
    """Put ``content`` at ``destination``, which other exports may take or leave in the meantime."""
    content = staging / _CONTENT
    for _ in range(_TRIES):
        check(destination)  # an export takes minutes, and someone may have put a folder there
        with contextlib.suppress(FileNotFoundError):  # it was there, and now it is not
            if _move(content, destination) or _exchange(content, destination) or _swap(staging, destination):
                break
    else:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(destination))
    with contextlib.suppress(OSError):  # it is in place, whether or not the disk has heard of it
        sync(destination.parent)


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
    sync(journal)
    sync(staging)
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
    if code and number not in UNSUPPORTED:
        raise OSError(number, os.strerror(number), str(second))
    return not code
