"""A command of the command line in a forked process, killed just before a chosen change of the file system."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "run"]

# What Python tells an audit hook before it changes a file system; opening counts where it is for writing.
_CHANGES = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, None if it was killed; how many changes it made; what it said."""

    code: int | None
    changes: int
    said: str


def run(arguments: Sequence[str | Path], folder: Path, kill_at: int | None = None) -> Ended:
    """Run the command; ``kill_at`` is the change below ``folder`` before which it gets SIGKILL."""
    reading, writing = os.pipe()
    log = folder.parent / "said.txt"
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_here([str(argument) for argument in arguments], folder, kill_at, writing, log)
    os.close(writing)
    with os.fdopen(reading, "rb") as counts:
        changes = len(counts.read())
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0 and code != -signal.SIGKILL:
        raise ChildProcessError(f"signal {-code}: {log.read_text()}")
    return Ended(None if code < 0 else code, changes, log.read_text("utf-8", "replace"))


def _run_here(arguments: list[str], folder: Path, kill_at: int | None, writing: int, log: Path) -> None:
    """In the child; does not return. A byte goes into the pipe for every change."""
    code = 70
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        below, seen = os.fspath(folder), [0]

        def before(event: str, details: tuple[object, ...]) -> None:
            if not _is_change(event, details, below):
                return
            if seen[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1
            os.write(writing, b".")

        sys.addaudithook(before)
        from cloformer.cli import main

        main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _is_change(event: str, details: tuple[object, ...], below: str) -> bool:
    if event == "open":
        if not isinstance(details[2], int) or not details[2] & _WRITING:
            return False
    elif event not in _CHANGES:
        return False
    return any(isinstance(item, (str, bytes, Path)) and below in os.fsdecode(item) for item in details)
