"""Silence frameworks that talk about themselves."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]


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
