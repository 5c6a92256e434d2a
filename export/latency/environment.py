"""Where times were measured. Times from two environments are not comparable."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cloformer
from cloformer.io.numbers import whole
from cloformer.io.words import count

__all__ = [
    "Environment",
    "Load",
    "environment",
    "explain_load",
    "processor_family",
    "read_load",
    "usable_processors",
]

MAX_STEAL = 0.01  # share of processor time that the host may take away before a run is unstable
_FAMILIES = {
    "aarch64": "arm64",
    "arm64": "arm64",
    "x86_64": "x86",
    "amd64": "x86",
    "i686": "x86",
    "x86": "x86",
}
_CPUINFO, _STAT = Path("/proc/cpuinfo"), Path("/proc/stat")
_STEAL = 7  # its place among the fields of /proc/stat's first line: user, nice, system, idle, iowait, irq, ..
_FIELDS = 8  # what comes after it is counted in the first two already


@dataclass(frozen=True)
class Environment:
    """The fingerprint. ``affinity`` are the processors that this process may use, ``cores`` the physical
    ones, None if the system does not say."""

    processor: str
    machine: str
    processors: int
    cores: int | None
    affinity: tuple[int, ...]
    system: str
    python: str
    versions: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"affinity": list(self.affinity), "versions": dict(self.versions)}


@dataclass(frozen=True)
class Load:
    """What else the machine did, at one moment: processes that want to run, on average over a minute, and
    ticks of processor time, stolen by the host and in all. None if the system does not say."""

    average: float | None
    stolen: int | None
    total: int | None


def environment(versions: Mapping[str, str]) -> Environment:
    """This machine, with the versions of the packages that took part."""
    return Environment(
        processor=_processor(),
        machine=platform.machine(),
        processors=os.cpu_count() or 1,
        cores=_cores(),
        affinity=usable_processors(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions={"cloformer": cloformer.__version__, **versions},
    )


def processor_family() -> str:
    """This machine's, by the names that `--for` takes; any other by its own."""
    machine = platform.machine().lower()
    return _FAMILIES.get(machine, machine)


def usable_processors() -> tuple[int, ...]:
    """The numbers of the processors that this process may run on."""
    if sys.platform == "linux":
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def read_load() -> Load:
    """What else the machine does now."""
    average = None
    with contextlib.suppress(OSError):
        average = os.getloadavg()[0]
    ticks = _ticks()
    return Load(average, ticks[_STEAL], sum(ticks)) if ticks else Load(average, None, None)


def explain_load(before: Load, after: Load, processors: int) -> tuple[str, ...]:
    """Why a run between two moments is unstable for what else the machine did; nothing if it is not."""
    reasons = []
    if before.average is not None and before.average > processors:
        reasons.append(f"load average {before.average:.1f} on {count(processors, 'processor')} when it began")
    if stolen := steal_share(before, after):
        reasons += [f"the host took {stolen:.1%} of the processor time"] if stolen > MAX_STEAL else []
    return tuple(reasons)


def steal_share(before: Load, after: Load) -> float | None:
    """The share of all processors' time that the host took away in between."""
    if None in (before.stolen, before.total, after.stolen, after.total):
        return None
    assert before.stolen is not None and before.total is not None
    assert after.stolen is not None and after.total is not None
    passed = after.total - before.total
    return (after.stolen - before.stolen) / passed if passed > 0 else None


def _ticks() -> list[int]:
    """The first line of /proc/stat; empty elsewhere."""
    try:
        with _STAT.open(encoding="ascii") as file:
            fields = [int(field) for field in file.readline().split()[1:]]
    except (OSError, ValueError):
        return []
    return fields[:_FIELDS] if len(fields) >= _FIELDS else []


def _processor() -> str:
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.processor()
    names = {value for key, value in _cpuinfo() if key in ("model name", "Processor", "Hardware")}
    return ", ".join(sorted(names)) or platform.processor() or platform.machine()


def _cores() -> int | None:
    if sys.platform == "darwin":
        text = _sysctl("hw.physicalcpu")
        with contextlib.suppress(ValueError):
            return whole(text, 1)
        return None
    package, found = "", set()
    for key, value in _cpuinfo():
        if key == "physical id":
            package = value
        elif key == "core id":
            found.add((package, value))
    return len(found) or None


def _cpuinfo() -> list[tuple[str, str]]:
    try:
        lines = _CPUINFO.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    pairs = [line.partition(":") for line in lines if ":" in line]
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def _sysctl(name: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["/usr/sbin/sysctl", "-n", name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    return ""
