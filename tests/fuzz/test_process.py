"""A run that does not end, or eats the memory up, is ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import pytest

from fuzz import process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def _ended(run: Callable[[], object]) -> str:
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    return process._wait(child)[0]


def _compute() -> None:
    while True:
        pass


def _with_a_child() -> None:
    """That computes for it, as a command's worker does."""
    child = os.fork()
    end = time.monotonic() + 1
    while child == 0 and time.monotonic() < end:
        pass
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def test_what_ends_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "IDLE", 0.5)
    assert _ended(lambda: None) == ""
    assert _ended(_with_a_child) == ""
    assert "waited" in _ended(lambda: time.sleep(60))
    monkeypatch.setattr(process, "LIMIT", 0.5)
    assert "computing" in _ended(_compute)
    monkeypatch.setattr(process, "MEMORY", -(1 << 29))
    assert "GiB" in _ended(lambda: time.sleep(60))
