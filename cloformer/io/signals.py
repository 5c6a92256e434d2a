"""Ctrl-C and SIGTERM: once a command is told to stop, it cleans up undisturbed and says so in its exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

__all__ = ["CODES", "Terminated", "signals_raise_once", "signals_wait", "stop_at_once"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
CODES: dict[int, int] = {number: 128 + number for number in _SIGNALS}  # exit codes: 130 and 143


class Terminated(BaseException):
    """SIGTERM arrived."""


def stop_at_once() -> None:
    """From here on a signal ends the process with its code, without a word: there is nothing left to clean up."""
    for number in _SIGNALS:
        signal.signal(number, lambda number, _frame: os._exit(CODES[number]))


@contextlib.contextmanager
def signals_raise_once() -> Iterator[None]:
    """In the block the first signal raises :class:`KeyboardInterrupt` or :class:`Terminated`; later ones are left
    alone, so that what cleans up is not stopped half-way."""
    stopping = False

    def stop(number: int, _frame: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    with _handled_by(stop):
        yield


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """A signal that arrives in the block has its way after it: for what must not stay half done.

    By handlers, and not by a mask: a mask is one thread's, and Python runs handlers whichever thread was hit.
    """
    arrived: list[int] = []
    try:
        with _handled_by(lambda number, _frame: arrived.append(number)):
            yield
    finally:
        if arrived:
            signal.raise_signal(arrived[0])


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone has handlers
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)
