"""SIGTERM and Ctrl-C wait until a run's state is saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stopped", "Stopping"]


class Stopped(Exception):  # noqa: N818 - no error: it was asked for
    """The state is saved, and the signal can have its way."""


class Stopping:
    """``asked`` is the signal that arrived, 0 for none."""

    def __init__(self) -> None:
        self.asked = 0

    @contextmanager
    def postponed(self) -> Iterator[None]:
        """Remember signals; after the block, or after :class:`Stopped` in it, the first one arrives anew."""

        def remember(number: int, _frame: object) -> None:
            self.asked = self.asked or number

        before = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
        stopped = False
        try:
            yield
        except Stopped:
            stopped = True
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if stopped or self.asked:
            signal.raise_signal(self.asked or signal.SIGTERM)  # another process was asked to
