"""Places that are written to: what is there, and who is at work there.

What is new is made under a name of this package's own that nobody can guess, and locked by the process that fills it.
What has such a name and no lock was left by a process that was killed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from cloformer.errors import InputError

from .read import read_json

__all__ = ["MANIFEST", "NO_LOCKS", "UNSUPPORTED", "lock", "refuse_inside_an_artifact", "sync"]

MANIFEST = "manifest.json"  # of an artifact
UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
NO_LOCKS = UNSUPPORTED | {errno.EBADF, errno.ENOLCK}
_MAX_MANIFEST = 64 * 2**20
_OF_OURS = {"schema_version", "functions", "files"}


def refuse_inside_an_artifact(path: Path, advice: str) -> None:
    """:class:`InputError`, with ``advice``, for a place in an artifact's folder: it would not be whole any more."""
    parent = path.parent.resolve()
    for folder in (parent, *parent.parents):
        manifest = folder / MANIFEST
        with contextlib.suppress(InputError, OSError):  # no manifest, or nobody's that could be read
            found = read_json(manifest, _MAX_MANIFEST, advice) if manifest.is_file() else None
            if isinstance(found, dict) and found.keys() >= _OF_OURS:
                break
    else:
        return
    raise InputError(f"{path} is inside the artifact {folder}, which stays as it was exported", advice)


def lock(path: Path, flags: int) -> int | None:
    """The open descriptor that holds ``path``; None if another process holds it, or it is gone or another by now.

    :class:`OSError` if it cannot be opened, or its filesystem has no locks: ``NO_LOCKS`` are the reasons then.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last owner may have removed it between the two calls: the lock is then on nothing.
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def sync(path: Path) -> None:
    """What is at ``path`` is on the disk; some filesystems do so for files alone."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED or not path.is_dir():
            raise
    finally:
        os.close(descriptor)
