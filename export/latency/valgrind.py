"""Instructions that an inference takes, counted by Valgrind, which emulates the processor: where it gives no counts.

Valgrind counts a process from its start to its end. So a process that is loaded and warm is forked three times: two
forks end at once, the third after some inferences. What the second has more than the first is the asking for it;
what the third has more than the second is that, and the inferences. They have all else in common, where their memory
lies too: of two processes, one may have compiled a module on its way.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloformer.io.numbers import whole

from .messages import Task
from .parent import WorkerError, worker

__all__ = ["Valgrind", "find"]

# One asking takes a few hundred instructions more than another. In so many seconds of emulation there are 10^8.
_SECONDS = 10.0
_MOST = 100  # inferences
_SECONDS_TO_ANSWER = 60.0


@dataclass(frozen=True)
class Valgrind:
    """``program`` is its path, ``version`` what it says of itself."""

    program: str
    version: str

    def count(self, task: Task, deadline: float) -> int:
        """Instructions of one inference on one thread. Raises :class:`WorkerError`, also if ``deadline``
        (of ``time.monotonic``) has come."""
        with (
            tempfile.TemporaryDirectory(prefix="cloformer-count-") as folder,
            worker(1, deadline, self.command(Path(folder))) as running,
        ):
            running.load(task)
            # The processor's time, not the clock's: a busy machine is to count as many as a quiet one.
            seconds = running.first().cpu_ns[0] / 1e9
            more = max(1, min(math.ceil(_SECONDS / max(seconds, 1e-9)), _MOST))
            first, second, third = (
                read_total(Path(folder) / str(running.fork(queries))) for queries in (0, 0, more)
            )
        taken = third - second - (second - first)
        if taken <= 0:
            raise WorkerError(f"counting: {more} inferences took no instructions")
        return round(taken / more)

    def command(self, folder: Path) -> Sequence[str]:
        """What stands before a command to have each of its processes leave its count in ``folder``, in a file that
        has the process's number for a name."""
        place = str(folder).replace("%", "%%")
        return [
            self.program,
            "--tool=cachegrind",
            "--cache-sim=no",
            "--vgdb=no",  # pipes for a debugger, which would lie in the folder of temporary files
            "-q",
            f"--cachegrind-out-file={place}/%p",
        ]


def read_total(written: Path) -> int:
    """The instructions of a process; :class:`WorkerError` if the file does not tell them."""
    events, summary = "", ""
    try:
        with written.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("events:"):
                    events = line
                elif line.startswith("summary:"):
                    summary = line
    except OSError:
        raise WorkerError("counting: Valgrind wrote no counts") from None
    kinds, counts = events.split()[1:], summary.split()[1:]
    if kinds[:1] == ["Ir"] and counts:
        with contextlib.suppress(ValueError):
            return whole(counts[0], 0)
    raise WorkerError("counting: what Valgrind wrote is not understood")


def find() -> Valgrind | None:
    """The one that is installed; None if there is none, or it does not run."""
    program = shutil.which("valgrind")
    if program is None or sys.platform != "linux":
        return None
    try:
        shown = subprocess.run(  # noqa: S603 - found on the path, as a shell would
            [program, "--version"], capture_output=True, text=True, check=True, timeout=_SECONDS_TO_ANSWER
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    version = (shown.stdout.splitlines() or [""])[0].strip()[:80]
    return Valgrind(program, version) if version else None
