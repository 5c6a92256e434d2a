"""How much memory and time a network of 88 million parameters takes: ConvNeXt-Base of timm, at 224 pixels.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.real_size [--only STEP ...] [--write]

Each step is one command in a process of its own, with one thread. Its peak memory is what the system counts for that process
(``ru_maxrss``), with torch and the frameworks in it; a second table has the peak of each stage, where the system tells.
Exit code 1 if a step fails or takes 8 GiB or more. ``--write`` puts the tables into docs/real-size.md.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from .markdown import replace_between

MODEL, NAME = "timm:convnext_base", "timm.convnext_base"
MOST = 8 * 2**30  # bytes
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "real-size.md"
MARKS = "<!-- real size: make real-size -->\n", "<!-- end of the real size -->"
FORMS = {"onnx": "onnx-224-fp32", "coreml": "coreml-224-fp16"}
STEPS = [f"{what} {form}" for what in ("export", "parity") for form in FORMS]


@dataclass
class Stage:
    """What a command was at: its seconds, and the peak of resident memory in bytes while it was; None if nobody tells."""

    name: str
    seconds: float
    peak: int | None


@dataclass(frozen=True)
class Row:
    """One step: its exit code, its peak of resident memory in bytes, and seconds of the clock and of the processor."""

    step: str
    code: int
    peak: int
    seconds: float
    processor: float
    stages: tuple[Stage, ...]


class Watch:
    """Told of every stage, it notes how long the one before took, and the most memory that it had."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._begun = time.monotonic()
        self("loading Python, torch and the frameworks")

    def __call__(self, stage: str) -> None:
        now, peak = time.monotonic(), _peak_since_the_last()
        if self.stages:
            self.stages[-1].seconds, self.stages[-1].peak = now - self._begun, peak
        self._begun = now
        self.stages.append(Stage(str(stage).partition(" (")[0], 0.0, None))


def _peak_since_the_last() -> int | None:
    """The most memory that this process had since this was asked before; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        Path("/proc/self/clear_refs").write_text("5")  # begins anew
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


def run(step: str, folder: Path) -> None:
    """The step, in this process; prints its stages as JSON."""
    watch = Watch()
    from zoo.stand_in import put_in_place

    put_in_place()
    what, form = step.split()
    with contextlib.redirect_stdout(sys.stderr):
        (_export if what == "export" else _compare)(form, folder, watch)
        watch("done")
    print(json.dumps([asdict(stage) for stage in watch.stages[:-1]]))


def _export(form: str, folder: Path, progress: Callable[[str], None]) -> None:
    from cloformer.export.pipeline.export import export
    from cloformer.export.pipeline.request import ExportRequest

    export(ExportRequest(model=MODEL, formats=(form,), output=folder), progress)


def _compare(form: str, folder: Path, progress: Callable[[str], None]) -> None:
    from cloformer.export.artifact.folder import read_artifact
    from cloformer.export.parity.verify import ParityRequest, compare

    report = compare(read_artifact(folder / f"{NAME}-{FORMS[form]}"), ParityRequest(model=MODEL), progress)
    if not report.passed:
        raise SystemExit(f"{form}: parity fails: {report.first_divergence or report.failures}")


def measured(step: str, folder: Path) -> Row:
    """The step in a process of its own."""
    start = time.monotonic()
    words = [sys.executable, "-m", "benchmarks.real_size", "--run", step, "--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    child = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    code = child.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes that ru_maxrss counts in
    stages = tuple(Stage(**item) for item in json.loads(said)) if code == 0 else ()
    seconds, processor = time.monotonic() - start, usage.ru_utime + usage.ru_stime
    # The system's figure begins anew with each stage, where the stages are told.
    peak = max(usage.ru_maxrss * unit, *(stage.peak or 0 for stage in stages), 0)
    return Row(step, code, peak, seconds, processor, stages)


def tables(rows: list[Row]) -> list[str]:
    lines = [
        "| step | peak memory, GiB | processor time, s | by the clock, s |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.step} | {row.peak / 2**30:.2f} | {row.processor:.0f} | {row.seconds:.0f} |" for row in rows
    ]
    lines += ["", "| step | stage | peak memory, GiB | by the clock, s |", "| --- | --- | ---: | ---: |"]
    return [*lines, *(_line(row.step, stage) for row in rows for stage in row.stages)]


def _line(step: str, stage: Stage) -> str:
    peak = "" if stage.peak is None else f"{stage.peak / 2**30:.2f}"
    return f"| {step} | {stage.name} | {peak} | {stage.seconds:.0f} |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Memory and time of ConvNeXt-Base through export and parity."
    )
    parser.add_argument(
        "--only", nargs="+", choices=STEPS, default=STEPS, metavar="STEP", help=", ".join(STEPS)
    )
    parser.add_argument("--folder", type=Path, help="where the artifacts go, and are looked for")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {DOCUMENT.name}")
    parser.add_argument("--run", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run is not None:
        run(arguments.run, arguments.folder)
        return 0
    rows = []
    with tempfile.TemporaryDirectory(prefix="real-size-") as temporary:
        for step in arguments.only:
            rows.append(measured(step, arguments.folder or Path(temporary)))
            print(f"{step}: exit {rows[-1].code}, {rows[-1].peak / 2**30:.2f} GiB")
            print(*(_line(step, stage) for stage in rows[-1].stages), sep="\n", flush=True)
    print("", *tables(rows), sep="\n")
    if arguments.write:
        replace_between(DOCUMENT, *MARKS, tables(rows))
    return 0 if all(row.code == 0 and row.peak < MOST for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
