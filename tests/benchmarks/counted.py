"""How much work is a model in each runtime? Instructions of an inference on an emulated arm64 core, exactly.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.counted [--photos FOLDER] [--only NAME ...] [--folder DIR] [--write]

Each network, as PyTorch's own exporter writes it for ONNX Runtime and as cloformer does for every runtime that the emulated device
has, in float32 and, with ``--photos``, in 8 bits with ranges from these photographs. A file whose outputs are not the PyTorch
model's there is not counted, and ends the program. Each row is a line of ``rows.jsonl`` in DIR: started again, the program goes
on after the last. It needs the extra ``litert``, timm, and what ``make device-checks`` installs. Exit code 1 if ours
takes more than the plain file, or 8 bits more than float32; ``--write`` puts the table into ``docs/runtimes.md``.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cloformer.export.artifact.folder import Artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.device.arm64 import Arm64Device
from cloformer.export.device.arm64_parity import compare_on_device
from cloformer.export.device.runtime import RUNTIMES
from cloformer.export.formats import FORMATS
from cloformer.export.parity.verify import ParityRequest

from .kept import keep, kept
from .markdown import replace_between
from .runtimes import NETWORKS as TIMED
from .runtimes import PAGE, exported, model_of, plain_beside

NETWORKS = (*TIMED, "fastvit_t8")
PLAIN, FLOAT, EIGHT = "plain", "fp32", "int8"
_NOTHING = 1e-3  # of the instructions: where values lie in memory costs a few
BEGIN, END = "<!-- instructions: make counted -->", "<!-- end of the instructions -->"


@dataclass(frozen=True)
class Row:
    """``runtime`` is a format's name, or "plain". ``instructions`` are those of the input that takes the most, and ``snr_db`` is
    of the output that is furthest from the float64 model."""

    network: str
    runtime: str
    precision: str
    instructions: int
    snr_db: float
    megabytes: float

    @property
    def key(self) -> tuple[str, str, str]:
        return self.network, self.runtime, self.precision


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photographs for the ranges of 8 bits")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=Path("build/counted"))
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = given.folder / "rows.jsonl"
    for name in given.only:
        known = {row.key for row in _read(path)}
        for row in measured(name, given.photos, known):
            keep(path, asdict(row))
            print(row, flush=True)
    rows = _read(path)
    lines, failures = table(rows), list(_failures(rows))
    print("", *lines, "", *(f"FAIL: {text}" for text in failures), sep="\n")
    if given.write:
        replace_between(PAGE, BEGIN, END, lines)
    sys.exit(1 if failures else 0)


def _read(path: Path) -> list[Row]:
    """The rows so far."""
    return [Row(**fields) for fields in kept(path)]


def measured(name: str, photos: Path | None, known: set[tuple[str, str, str]]) -> Iterator[Row]:
    """The rows of one network that are not known."""
    for format in RUNTIMES:
        for precision in (FLOAT, EIGHT):
            wanted = [format, *([PLAIN] if (format, precision) == ("onnx", FLOAT) else [])]
            missing = [runtime for runtime in wanted if (name, runtime, precision) not in known]
            has_it = precision in FORMATS[format].precisions and (precision == FLOAT or photos is not None)
            if not missing or not has_it:
                continue
            with tempfile.TemporaryDirectory() as folder:
                images = Calibration(photos) if precision == EIGHT and photos is not None else None
                ours = exported(name, format, Path(folder), precision, images).artifact
                for runtime in missing:
                    artifact = ours if runtime == format else plain_beside(ours, model_of(name), Path(folder))
                    yield _row(name, runtime, precision, artifact)


def _row(name: str, runtime: str, precision: str, artifact: Artifact) -> Row:
    report, counts = compare_on_device(artifact, ParityRequest(), Arm64Device())
    if (
        counts is None or report.failures
    ):  # of drawn weights, rounding may cost so much that outputs alone cannot tell
        sys.exit(f"error: {name} in {runtime} {precision}: not counted, or not the model there")
    worst = min(output.figures.snr_db for output in report.outputs if output.figures is not None)
    return Row(name, runtime, precision, counts.most, worst, artifact.model_path.stat().st_size / 1e6)


def table(rows: Sequence[Row]) -> list[str]:
    """A line for each network and precision: millions of instructions, with the share of the plain file's."""
    titles = {PLAIN: "the plain ONNX file"} | {name: FORMATS[name].title for name in RUNTIMES}
    lines = [
        f"| network | precision | {' | '.join(titles.values())} |",
        f"| --- | --- |{' ---: |' * len(titles)}",
    ]
    found = {row.key: row for row in rows}
    for name in NETWORKS:
        for precision in (FLOAT, EIGHT):
            cells = [_cell(found.get((name, runtime, precision)), found) for runtime in titles]
            if any(cells):
                lines.append(f"| {name} | {precision} | {' | '.join(cells)} |")
    return lines


def _cell(row: Row | None, found: dict[tuple[str, str, str], Row]) -> str:
    if row is None:
        return ""
    plain = found.get((row.network, PLAIN, FLOAT))
    share = f" ({row.instructions / plain.instructions:.0%})" if plain and row.runtime != PLAIN else ""
    noise = f", {row.snr_db:.0f} dB" if row.precision == EIGHT else ""
    return f"{row.instructions / 1e6:.1f} M{share}{noise}"


def _failures(rows: Sequence[Row]) -> Iterator[str]:
    found = {row.key: row for row in rows}
    for row in rows:
        beside = (row.network, PLAIN, FLOAT) if row.precision == FLOAT else (row.network, row.runtime, FLOAT)
        other = found.get(beside)
        if other is not None and row.instructions > (1 + _NOTHING) * other.instructions:
            yield f"{row.network} in {row.runtime} {row.precision} takes more than {' '.join(beside[1:])}"


if __name__ == "__main__":
    main()
