"""Instructions that a process retires, counted by the processor itself: Linux's perf_event_open(2).

The counter is of user space alone, and of every thread that is started after it was opened. What it gives is
exact or an error: a counter that shared the processor's registers with others has missed a part of the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

from cloformer.errors import UnsupportedError

__all__ = ["InstructionCounter", "Reading", "count", "explain_absence"]

# Numbers of the system call, which differ by processor, and of its arguments, which do not: linux/perf_event.h.
_SYSTEM_CALL = {"x86_64": 298, "aarch64": 241}
_TYPE_HARDWARE = 0
_COUNT_HW_INSTRUCTIONS = 1
_FORMAT_TOTAL_TIME_ENABLED = 1 << 0
_FORMAT_TOTAL_TIME_RUNNING = 1 << 1
_INHERIT = 1 << 1  # bits of the flags: also threads and processes that are started later
_EXCLUDE_KERNEL = 1 << 5
_EXCLUDE_HYPERVISOR = 1 << 6
_CLOSE_ON_EXEC = 1 << 3
_THIS_PROCESS, _ANY_PROCESSOR, _NO_GROUP = 0, -1, -1
# type, size, config, sample_period, sample_type, read_format, flags, wakeup_events, bp_type, config1: the first
# version of the structure, which every kernel takes.
_ATTRIBUTES = struct.Struct("=IIQQQQQIIQ")
_READING = struct.Struct("=QQQ")

_ALLOW = "sysctl kernel.perf_event_paranoid=2 allows it; a container needs CAP_PERFMON, or a seccomp profile that does"
_REASONS = {
    errno.ENOENT: "the processor's counters are not there, as in most virtual machines",
    errno.ENODEV: "the processor's counters are not there, as in most virtual machines",
    errno.EOPNOTSUPP: "the processor's counters are not there, as in most virtual machines",
    errno.EACCES: f"the system does not allow it: {_ALLOW}",
    errno.EPERM: f"the system does not allow it: {_ALLOW}",
    errno.ENOSYS: "the kernel has no perf_event_open, or a container hides it",
}

Open = Callable[[bytes], int]
Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Reading:
    """Instructions until now, and the nanoseconds that the counter was wanted, and was at work."""

    value: int
    enabled: int
    running: int


class InstructionCounter:
    """Counts from the moment it is made until the process ends. Raises :class:`UnsupportedError` if the system
    does not count. ``open_event`` and ``read`` are the system's calls."""

    def __init__(self, open_event: Open | None = None, read: Read = os.read) -> None:
        self._read = read
        try:
            self._event = (open_event or _open)(attributes())
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, os.strerror(error.errno or 0))
            raise UnsupportedError(f"perf_event_open: {reason}") from None

    def read(self) -> Reading:
        """How far it has come."""
        try:
            content = self._read(self._event, _READING.size)
        except OSError as error:
            raise UnsupportedError(f"perf_event_open: its counter cannot be read: {error.strerror}") from None
        if len(content) != _READING.size:  # nothing is read of a counter in its error state
            raise UnsupportedError("perf_event_open: its counter gives no number")
        return Reading(*_READING.unpack(content))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._event)


def count(counter: InstructionCounter, work: Callable[[], object]) -> int:
    """Instructions retired while ``work`` runs; :class:`UnsupportedError` if the count is not exact."""
    before = counter.read()
    work()
    after = counter.read()
    enabled, running = after.enabled - before.enabled, after.running - before.running
    counted = after.value - before.value
    if running != enabled:
        share = running / enabled if enabled > 0 else 0.0
        raise UnsupportedError(
            f"perf_event_open: the counter was at work for {share:.0%} of the time, and a count is exact or none",
            "end what else counts (perf, a watchdog: sysctl kernel.nmi_watchdog=0), or keep to one kind of core",
        )
    if counted <= 0:
        raise UnsupportedError("perf_event_open: the counter stands still, as in some virtual machines")
    return counted


def attributes() -> bytes:
    """What is to be counted, as the system call takes it."""
    return _ATTRIBUTES.pack(
        _TYPE_HARDWARE,
        _ATTRIBUTES.size,
        _COUNT_HW_INSTRUCTIONS,
        0,  # no samples
        0,
        _FORMAT_TOTAL_TIME_ENABLED | _FORMAT_TOTAL_TIME_RUNNING,
        _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR,
        0,
        0,
        0,
    )


def explain_absence(open_event: Open | None = None, read: Read = os.read) -> str | None:
    """Why nothing can be counted here, in a line; None if it can: it was tried."""
    try:
        counter = InstructionCounter(open_event, read)
    except UnsupportedError as error:
        return error.lines[0]
    try:
        count(counter, lambda: sum(range(10_000)))
    except UnsupportedError as error:
        return error.lines[0]
    finally:
        counter.close()
    return None


def _open(described: bytes) -> int:
    """The counter's file, of this process wherever it runs. Raises :class:`OSError`."""
    number = _SYSTEM_CALL.get(platform.machine()) if sys.platform == "linux" else None
    if number is None or sys.maxsize < 2**32:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    file = call(
        ctypes.c_long(number),
        ctypes.c_char_p(described),
        ctypes.c_long(_THIS_PROCESS),
        ctypes.c_long(_ANY_PROCESSOR),
        ctypes.c_long(_NO_GROUP),
        ctypes.c_ulong(_CLOSE_ON_EXEC),
    )
    if file < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(file)
