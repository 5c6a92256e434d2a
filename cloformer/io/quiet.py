"""Silence frameworks that talk about themselves."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

__all__ = ["Heard", "quiet", "quiet_natively"]

_STANDARD = (1, 2)  # output and error, as the system numbers them


@contextlib.contextmanager
def quiet(logger_name: str) -> Iterator[None]:
    """No warnings, nothing on standard error, nothing from the logger below an emergency.

    For code whose errors are raised and told by the caller: the silenced lines are torch's progress and
    the graph it prints before it raises, that torchvision is not installed, that torch is newer than the
    one coremltools was tested with, and native libraries that exist only on macOS.
    """
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


class Heard:
    """What native code said; empty until it has been silenced and the block has ended."""

    text = ""


@contextlib.contextmanager
def quiet_natively(logger_name: str) -> Iterator[Heard]:
    """As :func:`quiet`, and nothing on standard output either, not from native code, which writes past Python.

    What was written is kept for whoever raises an error of it.
    """
    heard = Heard()
    with contextlib.ExitStack() as stack:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # it is closed, or its reader has gone
                stream.flush()
        kept = stack.enter_context(tempfile.TemporaryFile())
        stack.callback(_hear, heard, kept)
        for number in _STANDARD:
            stack.enter_context(_led_to(kept.fileno(), number))
        stack.enter_context(quiet(logger_name))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        yield heard


def _hear(heard: Heard, kept: io.BufferedRandom) -> None:
    kept.seek(0)
    heard.text = kept.read().decode("utf-8", "replace")


@contextlib.contextmanager
def _led_to(place: int, number: int) -> Iterator[None]:
    """The descriptor ``number`` writes to ``place``; afterwards to where it did before, or nowhere if it was closed."""
    try:
        before = os.dup(number)
    except OSError:
        before = None
    os.dup2(place, number)
    try:
        yield
    finally:
        if before is None:
            os.close(number)
        else:
            os.dup2(before, number)
            os.close(before)
