"""Looking at the processes that a command started, by a mark in their environment."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["LIMIT", "is_running", "processes", "wait_for"]

LIMIT = 60  # seconds until a test gives up


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def processes(mark: str) -> list[int]:
    """The living processes with this mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"CLOFORMER_TEST={mark}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return sorted(found)


def is_running(mark: str) -> bool:
    """Whether the worker is past its warm-up of a second: it has computed for two."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{processes(mark)[-1]}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12]) > 200
    return False
