"""Runs the command line and notes what it does, every other millisecond.

::

    python -m benchmarks.sampler FILE export --model cloformer_xxs

A timer interrupts it; the time since the last interruption is charged to the Python code that was running, or had
called what was: a call into C is interrupted when it returns, so all of its time is its caller's. Unlike a
profiler that notes every call, this makes code of many short calls no slower than the rest. FILE gets the
seconds by package, stage and place, as JSON.

A package is the one of the innermost code that is not Python's own: what of the standard library a package
calls is its time. Loading a module is the time of the module, not of whoever imports it. The timer starts
before anything but this file is imported.
"""

from __future__ import annotations

import signal
import sys
import time
from types import CodeType, FrameType

EVERY = 0.002  # seconds
OURS, PYTHON = "cloformer", ""
IMPORTS, REST = "imports", "the rest"

# The stage that a function of ours is, by the end of its file's name and its own name. The innermost counts.
STAGES = {
    ("export/source/resolve.py", "resolve"): "make the model",
    ("export/source/trace.py", "trace"): "trace",
    ("export/reference/references.py", "__init__"): "run PyTorch in float64",
    ("export/artifact/vectors.py", "make_vectors"): "run PyTorch in float64",
    ("export/artifact/kit.py", "make_kit"): "run PyTorch in float64",
    ("export/reference/references.py", "run"): "run PyTorch in float64",
    ("export/reference/rounding.py", "rounded_runs"): "emulate rounding",
    ("export/reference/rounding.py", "opposite_runs"): "emulate rounding",
    ("export/passes/__init__.py", "apply_passes"): "passes",
    ("export/source/trace.py", "lower"): "trace what the passes made",
    ("export/formats/onnx/exporter.py", "write"): "write ONNX",
    ("export/formats/onnx/simplified.py", "simplified_by_onnxsim"): "write ONNX: onnxsim",
    ("export/formats/coreml/exporter.py", "write"): "write Core ML",
    ("export/formats/onnx/exporter.py", "check"): "load back",
    ("export/formats/coreml/exporter.py", "check"): "load back",
    ("export/pipeline/check.py", "check_against_reference"): "check",
    ("export/source/counts.py", "multiply_adds"): "count multiply-adds",
    ("export/pipeline/export.py", "export"): "manifest, hashes, files",
}
_LOADING = "<frozen importlib._bootstrap>", "_find_and_load"
_LIBRARY = signal.__file__.rpartition("/")[0] + "/"


class Sampler:
    """``seconds`` by package, stage and, for our own code, file and function."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str, str], float] = {}
        self._packages: dict[CodeType, str] = {}
        self._stages: dict[CodeType, str] = {}
        self._last = time.process_time()

    def start(self) -> None:
        signal.signal(signal.SIGALRM, self._note)
        signal.siginterrupt(signal.SIGALRM, False)  # a read that it interrupts goes on
        signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        self._note(0, None)

    def _note(self, _: int, frame: FrameType | None) -> None:
        now = time.process_time()
        key = self._where(frame)
        self.seconds[key] = self.seconds.get(key, 0.0) + now - self._last
        self._last = now

    def _where(self, frame: FrameType | None) -> tuple[str, str, str]:
        package, stage, place = PYTHON, "", ""
        while frame is not None:
            code = frame.f_code
            is_loading = (code.co_filename, code.co_name) == _LOADING
            if not package:
                package = _top(frame.f_locals["name"]) if is_loading else self._package(code)
                place = _place(code) if package == OURS and not is_loading else ""
            if is_loading:
                stage = IMPORTS
            stage = stage or self._stage(code)
            frame = frame.f_back
        return package or OURS, stage or REST, place

    def _package(self, code: CodeType) -> str:
        found = self._packages.get(code)
        if found is None:
            found = self._packages[code] = package_of(code.co_filename)
        return found

    def _stage(self, code: CodeType) -> str:
        found = self._stages.get(code)
        if found is None:
            name = code.co_filename
            found = self._stages[code] = next(
                (
                    stage
                    for (file, function), stage in STAGES.items()
                    if code.co_name == function and name.endswith(file)
                ),
                "",
            )
        return found


def package_of(file: str) -> str:
    """The package that a file of code belongs to; ``PYTHON`` for Python's own and for code without a file."""
    _, installed, rest = file.rpartition("/site-packages/")
    if installed:
        return rest.partition("/")[0].removesuffix(".py")
    return OURS if f"/{OURS}/" in file and not file.startswith(_LIBRARY) else PYTHON


def _top(module: str) -> str:
    name = module.partition(".")[0]
    return PYTHON if name in sys.stdlib_module_names else name


def _place(code: CodeType) -> str:
    return f"{code.co_filename.rpartition(f'/{OURS}/')[2]}:{code.co_name}"


def main() -> None:
    file, *arguments = sys.argv[1:]
    sampler = Sampler()
    sampler.start()
    try:
        from cloformer.cli import main as run

        run(arguments)
    finally:
        sampler.stop()
        import json

        with open(file, "w", encoding="utf-8") as out:  # noqa: PTH123 - pathlib would be imported before its time
            json.dump([[*key, seconds] for key, seconds in sampler.seconds.items()], out)


if __name__ == "__main__":
    main()
