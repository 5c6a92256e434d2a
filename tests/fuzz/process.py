"""One command line in a child of this process: what it printed, how it ended, what it took.

The child is forked from a process that has imported everything once, so that a run costs milliseconds and not the
seconds that torch takes to load, and that a hang, a crash or a memory that is eaten up ends that child alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import os
import pkgutil
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .outside import watch_writes

__all__ = [
    "IDLE",
    "LIMIT",
    "MEMORY",
    "Outcome",
    "become_subreaper",
    "die_with_parent",
    "load_everything",
    "run_command",
]

LIMIT = 60.0  # seconds of processor time until a run counts as hanging
IDLE = 8.0  # seconds that a run may wait and compute nothing: it waits for what never comes
MEMORY = 3 << 30  # bytes that a run may take, what Python and torch take themselves included
_EXTRAS = ("ai_edge_litert", "executorch", "flatbuffers", "litert_torch")  # packages of formats
_RUNTIMES = (
    "ai_edge_litert.interpreter",
    "executorch.extension.pybindings.portable_lib",
    "executorch.runtime",
)
_LOOK = 0.05  # seconds between two looks at a run
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_CAPABILITIES = 0x20080522  # the version of the header of capset(2)
_SUBREAPER, _DEATH_SIGNAL = 36, 1  # of prctl(2)


@dataclass(frozen=True)
class Outcome:
    """``code`` is the exit code, or None for a run that was ended from outside: ``died`` then says why. ``memory`` is
    in bytes, ``computed`` in seconds of processor time, ``wrote`` lists what Python code changed outside the run's
    folder."""

    code: int | None
    died: str
    out: bytes
    err: bytes
    computed: float
    memory: int
    wrote: tuple[str, ...]


def _import(name: str) -> None:
    """A module of cloformer's, unless a package that a format's extra brings is not installed."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "cloformer").partition(".")[0] not in _EXTRAS:
            raise


def load_everything() -> None:
    """Import all of cloformer and what it uses, so that forked children need not. Starts no thread.

    Raises :class:`RuntimeError` if there are several threads all the same: a child that is forked then has locks
    that nobody gives back.
    """
    import cloformer

    with _silent():
        for module in pkgutil.walk_packages(cloformer.__path__, "cloformer."):
            if not module.name.endswith("__main__"):
                _import(module.name)
        for name in ("coremltools", "onnxscript", "onnxsim", "torch._dynamo", "torch.onnx", "torch.export"):
            importlib.import_module(name)
        for name in ("accelerate", "kornia", "torch.utils.tensorboard", *_RUNTIMES):
            with contextlib.suppress(ImportError):  # an extra
                importlib.import_module(name)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"{threads} threads run, and none may when children are forked")
    become_subreaper()
    gc.collect()
    gc.freeze()  # so that a child's collector does not copy every page of it


def become_subreaper() -> None:
    """Have what a run leaves behind become this process's child. A fork does not inherit that."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """So that nothing goes on when the programme is stopped. A fork does not inherit that."""
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def run_command(
    arguments: Sequence[str], folder: Path, private: Path, environment: Mapping[str, str]
) -> Outcome:
    """Run ``cloformer ARGUMENTS`` in ``folder``. It may write below ``private``, where its outputs go too, and
    which holds ``folder``."""
    paths = [private / name for name in ("stdout", "stderr", "wrote")]
    for path in paths:
        path.write_bytes(b"")
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _be_the_command(arguments, folder, private, environment)
    died, memory, status, usage = _wait(child)
    left = _end_children()
    code = os.waitstatus_to_exitcode(status)
    if not died and code < 0:
        died = f"killed by {signal.Signals(-code).name}"
    if not died and left:
        died = f"{left} processes went on after it had ended"
    out, err, wrote = (path.read_bytes() for path in paths)
    for path in paths:
        path.unlink()
    lines = tuple(dict.fromkeys(wrote.decode("utf-8", "backslashreplace").splitlines()))
    computed = usage.ru_utime + usage.ru_stime
    return Outcome(
        None if died else code, died, out, err, computed, max(memory, usage.ru_maxrss * 1024), lines
    )


def _be_the_command(
    arguments: Sequence[str], folder: Path, private: Path, environment: Mapping[str, str]
) -> None:
    """What the child does; it never comes back."""
    code = 70
    try:
        os.setsid()
        _be_an_ordinary_user()
        die_with_parent()
        os.chdir(folder)
        os.environ.update(environment)
        for number, name, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, "stdout", os.O_WRONLY),
            (2, "stderr", os.O_WRONLY),
        ):
            os.dup2(os.open(private / name, flags), number)
        # Strict, as in a terminal of any language but C's: what is no text there ends a program.
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w"), "utf-8", "strict")
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w"), "utf-8", "backslashreplace", line_buffering=True)
        sys.dont_write_bytecode = True
        import tempfile

        tempfile.tempdir = None
        watch_writes(private, os.open(private / "wrote", os.O_WRONLY | os.O_APPEND))
        from cloformer.cli import main

        code = _exit_code(main, arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _exit_code(main: object, arguments: Sequence[str]) -> int:
    """As the interpreter makes it of what ends a program."""
    try:
        main(list(arguments))  # type: ignore[operator]
        return 0
    except SystemExit as ended:
        if isinstance(ended.code, int) or ended.code is None:
            return ended.code or 0
        sys.stderr.write(f"{ended.code}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1


def _be_an_ordinary_user() -> None:
    """Root reads and writes what no one may: give that up, so that permissions hold as they do for other people."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        header, none = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
        if libc.capset(ctypes.byref(header), ctypes.byref(none)):
            raise OSError(ctypes.get_errno(), "capset")


def _wait(child: int) -> tuple[str, int, int, resource.struct_rusage]:
    """Until it ends, or has to be ended, and why; and its largest memory, its children's included."""
    descriptor = os.pidfd_open(child)
    died, memory, computed, since = "", 0, -1.0, time.monotonic()
    try:
        while True:
            ready, _, _ = select.select([descriptor], [], [], _LOOK)
            if ready:
                break
            now, tree = time.monotonic(), list(_tree(child))
            memory = max(memory, sum(resident for _, resident in tree))
            ticks = sum(ticks for ticks, _ in tree)
            if ticks != computed:
                computed, since = ticks, now
            if memory > MEMORY + (1 << 29):  # before it takes the machine's
                died = f"took {memory / 2**30:.1f} GiB"
            elif ticks > LIMIT:
                died = f"hung: it was not ready after {LIMIT:.0f} seconds of computing"
            elif now - since > IDLE:
                died = f"hung: it waited for {IDLE:.0f} seconds and computed nothing"
            if died:
                _kill(child)
                break
    finally:
        os.close(descriptor)
    _, status, usage = os.wait4(child, 0)
    return died, memory, status, usage


def _tree(process: int) -> Iterator[tuple[float, int]]:
    """The processor time and the memory in bytes of a process and of each one below it."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        yield (int(fields[11]) + int(fields[12])) / _TICK, int(fields[21]) * _PAGE
        for child in _children(process):
            yield from _tree(child)


def _children(process: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def _kill(process: int) -> None:
    """With all below it, from the top: what has no parent any more comes to this process."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _end_children() -> int:
    """End what a run has left behind, and count what was alive."""
    left = 0
    while children := _children(os.getpid()):
        for child in children:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(child, os.WNOHANG) == (0, 0):
                    left += 1
                    _kill(child)
                    os.waitpid(child, 0)
    return left


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Frameworks talk when they are imported."""
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
