"""Ctrl-C and SIGTERM wait while something is made or removed that must not stay half done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

__all__ = ["signals_wait"]


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """A signal that arrives in the block has its way after it.

    By handlers, and not by a mask: a mask is one thread's, and Python runs handlers whichever thread was hit.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone has handlers
        yield
        return
    arrived: list[int] = []

    def remember(number: int, _frame: object) -> None:
        arrived.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if arrived:
            signal.raise_signal(arrived[0])
