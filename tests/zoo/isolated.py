"""A row in a process of its own, with bounds of time and memory: a crash costs that row alone."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import warnings
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from .trial import Row, try_network

__all__ = ["tried"]

_NO_MEMORY = 77  # the exit code of a process that had none left to say so
# As Python, torch, C++ and cloformer say it.
_OF_MEMORY = ("MemoryError", "can't allocate memory", "bad_alloc", "ran out of memory")


def tried(row: Row, seconds: int, gibibytes: int) -> Row:
    """The row as it is found: ``row`` names the network and the form. The process is a copy of this one, which has imported
    torch and started no thread."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(row.network, row.form, gibibytes, theirs))
    child.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            return replace(row, result="out of time", words=f"more than {seconds} s", seconds=float(seconds))
        found: Row = ours.recv()
    except EOFError:
        child.join()
        code = child.exitcode or 0
        if code == _NO_MEMORY:
            return replace(row, result="out of memory", words=f"more than {gibibytes} GiB")
        return replace(row, result="crashed", words=_end_of(code))
    finally:
        child.kill()
        child.join()
    if found.result != "passed" and any(words in found.words for words in _OF_MEMORY):
        return replace(found, result="out of memory")
    return found


def _end_of(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code} and no result"


def _child(name: str, form: str, gibibytes: int, result: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (gibibytes * 2**30,) * 2)
    with Path(os.devnull).open("w") as nowhere:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())
    warnings.simplefilter("ignore")
    try:
        found = try_network(name, form)
    except MemoryError:
        os._exit(_NO_MEMORY)
    result.send(found)
    result.close()
    os._exit(0)
