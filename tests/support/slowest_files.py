"""A plugin of pytest: the slowest test files first, and the ten slowest of this run at its end.

Slow is what takes processor time, and not the clock's, since two processes share the cores with whatever else runs: the
time of the tests, their fixtures, and the processes that they started and waited for. A file is one process's work; a
slow one that came last would leave the other process idle.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

SHOWN = 10

# In the order in which they are begun, before all others: as the summary of a whole run showed them.
FIRST = (
    "tests/training/test_processes.py",
    "tests/cli/test_export.py",
    "tests/training/test_finetune.py",
    "tests/parity/test_verify.py",
    "tests/parity/test_mutations.py",
    "tests/training/test_training.py",
    "tests/unit/test_mil_compression.py",
    "tests/cli/test_errors.py",
    "tests/property/test_lists.py",
    "tests/parity/test_variants.py",
)
_MARK = pytest.StashKey[float]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: index for index, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))


def used() -> float:
    """Processor seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    item.stash[_MARK] = used()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Called once for a test's fixtures, its call, and its end; what a report carries comes back from any worker."""
    report = yield
    now = used()
    report.processor_seconds, item.stash[_MARK] = now - item.stash[_MARK], now
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    processor, clock = defaultdict[str, float](float), defaultdict[str, float](float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "processor_seconds"):
                name = report.nodeid.partition("::")[0]
                processor[name] += report.processor_seconds
                clock[name] += report.duration
    terminalreporter.section(f"{SHOWN} slowest files of {len(processor)}: processor time, and by the clock")
    for name in sorted(processor, key=lambda name: -processor[name])[:SHOWN]:
        terminalreporter.line(f"{processor[name]:6.1f} s {clock[name]:6.1f} s  {name}")
    terminalreporter.line(f"{sum(processor.values()):6.1f} s {sum(clock.values()):6.1f} s  in all")
