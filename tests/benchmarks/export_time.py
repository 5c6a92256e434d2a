"""How long does an export take, beside the frameworks' own, and where does its time go?

::

    PYTHONPATH=tests:tests/support python -m benchmarks.export_time [--runs 5] [--write]

``cloformer export --model cloformer_xxs``, to ONNX and to both formats, beside scripts that call ``torch.onnx.export``
and coremltools and nothing else, each in a fresh interpreter with its imports, on one thread, interleaved. The processor's
time is compared, and not the clock's, so that it is hardly changed by whatever else the machine does. Then
:mod:`benchmarks.sampler` charges that of the export to ONNX to packages and stages. The first round is not counted. Exit
code 1 if a bound below is not kept; ``--write`` puts the times into the README.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .markdown import replace_between
from .sampler import IMPORTS, OURS, REST, STAGES

# Arithmetic that our code calls for is ours too: rounding is emulated, which is two thirds of it.
OURS_AT_MOST = 0.12
OVER_PLAIN = 1.3  # times the processor's time of the plain scripts, at most
EXPORT = ("export", "--model", "cloformer_xxs", "--format", "onnx")
BOTH = (*EXPORT, "--format", "coreml")
SCRIPTS = Path(__file__).parent / "plain_onnx.py", Path(__file__).parent / "plain_coreml.py"
README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- export time: make export-time -->", "<!-- end of the export time -->"
START = "Python itself: start and end"
OTHERS = "other packages"

# Rows of the table by the packages in them.
PACKAGES = {
    "torch, with sympy and networkx": ("torch", "torchgen", "functorch", "sympy", "mpmath", "networkx"),
    "onnx, onnxscript, onnx_ir, onnxsim": ("onnx", "onnxscript", "onnx_ir", "onnxsim", "google", "ml_dtypes"),
    "onnxruntime": ("onnxruntime",),
    "numpy": ("numpy",),
    "cloformer": (OURS,),
}
_PLACES = 8  # of our own code that are shown
_SHOWN = 0.0005  # share below which a stage is not


@dataclass(frozen=True)
class Run:
    """Seconds of one export: by package, stage and place of the processor's, and all of it by the clock."""

    seconds: dict[tuple[str, str, str], float]
    clock: float

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def ours(self) -> float:
        """The share of our own code."""
        return sum(value for (package, _, _), value in self.seconds.items() if package == OURS) / self.total


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the times into the README")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        # The first round reads files from the disk.
        rounds = [(times(place), run_once(place)) for _ in range(given.runs + 1)][1:]
    runs = [run for _, run in rounds]
    print(report(runs))
    shares = [run.ours for run in runs]
    lines, failures = beside_plain([found for found, _ in rounds])
    lines += ["", f"Of the export to ONNX, {statistics.median(shares):.1%} is our own code's."]
    print("\n".join(["", *lines]))
    if statistics.median(shares) > OURS_AT_MOST:
        failures.append(f"our own code takes more than {OURS_AT_MOST:.0%}")
    for text in failures:
        print(f"FAIL: {text}")
    if given.write:
        replace_between(README, BEGIN, END, lines)
    sys.exit(1 if failures else 0)


@dataclass(frozen=True)
class Times:
    """Seconds of the processor's time in one round: the plain scripts, and ours for the same files."""

    plain_onnx: float
    plain_coreml: float
    onnx: float
    both: float


def times(folder: Path) -> Times:
    """One round of all four, one after the other."""
    output = ("--output", str(folder))
    plain = [_timed(str(script), str(folder)) for script in SCRIPTS]
    return Times(*plain, *(_timed("-m", "cloformer", *command, *output) for command in (EXPORT, BOTH)))


def _timed(*arguments: str) -> float:
    before = _children()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    spent = _children() - before
    print(f"{spent:.1f} s of processor time: {' '.join(arguments[:8])}", file=sys.stderr, flush=True)
    return spent


def beside_plain(rounds: Sequence[Times]) -> tuple[list[str], list[str]]:
    """A table of the medians and their ratios, and what is above the bound."""
    plain = statistics.median(found.plain_onnx for found in rounds)
    plain_both = plain + statistics.median(found.plain_coreml for found in rounds)
    rows = {
        "ONNX": (plain, statistics.median(found.onnx for found in rounds)),
        "ONNX and Core ML": (plain_both, statistics.median(found.both for found in rounds)),
    }
    lines = ["| export to | plain, seconds | cloformer, seconds | times |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {theirs:.1f} | {ours:.1f} | {ours / theirs:.2f} |"
        for name, (theirs, ours) in rows.items()
    ]
    lines += ["", f"The processor's time with imports, medians of {len(rounds)} interleaved runs."]
    failures = [
        f"{name} takes {ours / theirs:.2f} times the plain export's time, more than {OVER_PLAIN}"
        for name, (theirs, ours) in rows.items()
        if ours > OVER_PLAIN * theirs
    ]
    return lines, failures


def run_once(folder: Path) -> Run:
    """An export in a fresh interpreter."""
    file = folder / "seconds.json"
    command = [sys.executable, "-m", "benchmarks.sampler", str(file), *EXPORT, "--output", str(folder)]
    before, started = _children(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    clock, spent = time.perf_counter() - started, _children() - before
    seconds = {
        (package, stage, place): value for package, stage, place, value in json.loads(file.read_bytes())
    }
    seconds["", START, ""] = spent - sum(seconds.values())
    print(f"{spent:.1f} s of processor time, {clock:.1f} s by the clock", file=sys.stderr, flush=True)
    return Run(seconds, clock)


def _children() -> float:
    """Seconds of processor time that finished children have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(runs: Sequence[Run]) -> str:
    """Two tables and our own code's places, in Markdown; means over the runs."""
    mean = {
        key: statistics.fmean(run.seconds.get(key, 0.0) for run in runs)
        for key in dict.fromkeys(key for run in runs for key in run.seconds)
    }
    total = sum(mean.values())
    row_of = {package: row for row, packages in PACKAGES.items() for package in packages}
    by_package = _sum(
        (START if key[1] == START else row_of.get(key[0], OTHERS), value) for key, value in mean.items()
    )
    by_stage = _sum((stage, value) for (_, stage, _), value in mean.items())
    ours = _sum((stage, value) for (package, stage, _), value in mean.items() if package == OURS)
    places = _sum((place, value) for (package, _, place), value in mean.items() if package == OURS and place)
    order = dict.fromkeys([IMPORTS, *STAGES.values(), REST, START])
    lines = ["| code of | seconds | share |", "| --- | ---: | ---: |"]
    lines += [
        f"| {name} | {by_package[name]:.2f} | {by_package[name] / total:.1%} |"
        for name in _largest(by_package)
    ]
    lines += ["", "| stage | seconds | share | our own code |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {by_stage[name]:.2f} | {by_stage[name] / total:.1%} | {ours.get(name, 0.0):.2f} |"
        for name in order
        if by_stage.get(name, 0.0) > _SHOWN * total
    ]
    clock = statistics.fmean(run.clock for run in runs)
    lines += [
        "",
        f"{total:.1f} s of processor time, {clock:.1f} s by the clock: means of {len(runs)} exports.",
        "",
    ]
    lines += [f"  {places[name]:.3f} s  {name}" for name in _largest(places)[:_PLACES]]
    return "\n".join(lines)


def _sum(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in pairs:
        found[name] = found.get(name, 0.0) + value
    return found


def _largest(values: dict[str, float]) -> list[str]:
    return sorted(values, key=lambda name: -values[name])


if __name__ == "__main__":
    main()
