"""ExecuTorch's runtime: loaded without a word of its own, on as many threads as were asked for."""

from __future__ import annotations

import contextlib
import functools
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from cloformer.errors import UsageError
from cloformer.io.numbers import whole
from cloformer.io.quiet import quiet_natively

from ..runner import runtime_errors
from .file import METHOD, Kernel, read_program
from .steps import outer_name, results_of

__all__ = ["Threads", "executed", "library", "opened", "runtime"]

_STOPPED = re.compile(r"at instruction 0:([0-9]+) in operator ([\w:.]+\w)")  # as the runtime says it


@functools.cache
def library() -> Any:
    """The runtime's binding, which is imported once."""
    with quiet_natively("executorch"):
        from executorch.extension.pybindings import portable_lib

    return portable_lib


def runtime() -> Any:
    """The runtime, which is imported once: that takes seconds, and is nothing of a model's."""
    library()
    with quiet_natively("executorch"):
        from executorch.runtime import Runtime

        return Runtime.get()


def _count() -> int:
    """How many threads there are."""
    with quiet_natively(
        "executorch"
    ):  # which reads files that other systems have, and says that they are not there
        return int(library()._threadpool_get_thread_count())


@functools.cache
def _own_choice() -> int:
    """How many threads the runtime takes that is told nothing: all cores."""
    return _count()


class Threads:
    """The runtime's pool, of which a process has one. A loaded program keeps it, so it can be made anew only while none is loaded."""

    _users = 0

    @classmethod
    def take(cls, threads: int) -> None:
        """So many from now on; 0: the runtime's own choice. :class:`UsageError` while a program runs on another number."""
        own = _own_choice()  # before it is changed
        wanted = threads or own
        if wanted != _count():
            if cls._users:
                raise UsageError(
                    "ExecuTorch has one pool of threads in a process, and a model is loaded on another number of them",
                    "give both the same --threads",
                )
            with quiet_natively("executorch"):
                library()._unsafe_reset_threadpool(wanted)
        cls._users += 1

    @classmethod
    def give_back(cls) -> None:
        cls._users -= 1


def opened(path: Path) -> Any:
    """The loaded method, and the program that it belongs to. :class:`InputError` if the runtime does not take the file."""
    with quiet_natively("executorch"), runtime_errors(f"ExecuTorch does not load {path}"):
        program = runtime().load_program(path)
        return program.load_method(METHOD), program


def executed(method: Any, given: Sequence[Tensor], path: Path) -> list[Tensor]:
    """What the method of the file at ``path`` gives; :class:`InputError` with the operator that failed, and the value that it was to
    compute."""
    said = io.StringIO()
    with quiet_natively("executorch"), contextlib.redirect_stderr(said):
        try:
            made: list[Tensor] = method.execute(given)
        except Exception as error:  # the binding raises what torch and pybind11 do
            failed = error
        else:
            return made
    with runtime_errors(f"ExecuTorch cannot run the model{_place(said.getvalue(), path)}"):
        raise failed


def _place(said: str, path: Path) -> str:
    """Where the runtime says that it stopped."""
    found = _STOPPED.search(said)
    if found is None:
        return ""
    program = read_program(path)
    step = program.steps.get(whole(found[1]))
    value = f" for {outer_name(results_of(program, step)[0])}" if isinstance(step, Kernel) else ""
    return f", at {found[2]}{value}"
