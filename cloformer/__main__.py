"""The command ``cloformer``, and ``python -m cloformer``: a process from its beginning to its end.

Here, and not in :mod:`cloformer.cli`, is what happens before the command line is there and after it is done: loading it
takes a quarter of a second, and ending a process that has loaded frameworks as long, in which a signal would otherwise
meet Python's own words for it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import NoReturn

from cloformer.io.signals import stop_at_once


def run() -> NoReturn:
    """Run the command line and end the process with its code."""
    for descriptor in (0, 1, 2):  # one that is closed must not be given to the next file that is opened
        _fill(descriptor)
    stop_at_once()
    code: object = 70
    try:
        from cloformer.cli import main

        main()
    except SystemExit as done:
        code = done.code
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _fill(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


if __name__ == "__main__":
    run()
