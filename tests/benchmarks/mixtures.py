"""What `--precision auto` gains over int8 everywhere, by either ranking of layers; and on how many images ranges need to be taken.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.mixtures --photos FOLDER [--data FOLDER] [--write]

FOLDER is that of ``benchmarks.precisions``; ranges and rankings of EfficientNet-Lite0 are from the photographs of the package
``foolbox``. The checkpoint in the box is judged on 1,000 of Fashion-MNIST's test images (``--data``), with ranges from images that it
was trained on. Every row is an ONNX file, run by ONNX Runtime beside the model as it was trained. ``--write`` puts the tables into
docs/precision.md.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cloformer.errors import GateError
from cloformer.export.accuracy.data import read_dataset
from cloformer.export.accuracy.judged import Judged, read_judged
from cloformer.export.calibration.goal import SENSITIVITIES, Goal
from cloformer.export.calibration.images import Calibration
from cloformer.export.calibration.methods import METHODS
from cloformer.export.pipeline.export import Exported, export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.training.evaluate import evaluate

from .markdown import replace_between
from .precisions import DOCUMENT, MODEL, SPEC, photographs_of_foolbox
from .shipped import DATA, LABELS, NAME, some_to_train_on

MARKS = "<!-- mixtures: make mixtures -->", "<!-- end of the mixtures -->"
ROOM = 1.02  # of the size in int8, for what is "as large"
BETTER = 6.0  # decibels more than in int8, which a goal asks for
SAMPLES = (8, 32, 128)
IMAGES = 1000


@dataclass(frozen=True)
class Subject:
    """A model, images that ranges are taken from, and others that it is judged on."""

    title: str
    request: ExportRequest
    judged: Judged
    limit: int | None

    def exported(self, folder: Path, **changes: object) -> Exported:
        request = replace(self.request, output=folder, **changes)  # type: ignore[arg-type]
        return export(request)[0]

    def figures(self, made: Exported) -> tuple[int, float, float]:
        """Bytes, decibels, and the share of images with the first class of the model as it was trained."""
        (found,) = evaluate([made.artifact.folder], self.judged, reference=self.request, limit=self.limit)
        assert found.against is not None and found.bytes is not None
        assert found.against.snr_db is not None and found.agreement is not None
        return found.bytes, found.against.snr_db, found.agreement


def subjects(photos: Path, data: Path, folder: Path) -> Iterator[Subject]:
    photographs = photographs_of_foolbox()
    if photographs is None:
        sys.exit("foolbox is not installed: pip install --no-deps foolbox")
    names = folder / "classes.txt"
    names.write_text("".join(f"class {number}\n" for number in range(1000)), "utf-8")
    calibration = Calibration(photographs)
    yield Subject(
        "EfficientNet-Lite0",
        ExportRequest(model=MODEL, spec=SPEC, labels=names, precision="int8", calibration=calibration),
        read_judged(photos),
        None,
    )
    clothes = read_dataset(data, LABELS)
    yield Subject(
        "CloFormer-XXS of the box",
        ExportRequest(
            weights=NAME, precision="int8", calibration=Calibration(some_to_train_on(clothes, folder))
        ),
        Judged.of(clothes),
        IMAGES,
    )


def mixtures(subject: Subject, folder: Path) -> list[str]:
    """A row in int8, and two for each ranking: as large as that, and so much better."""
    uniform = subject.exported(folder / "int8")
    size, snr, agreed = subject.figures(uniform)
    lines = [_row(subject.title, "int8", size, snr, agreed, "")]
    print(lines[-1], flush=True)
    for sensitivity in SENSITIVITIES:
        for words, goal in (
            ("as large as int8", Goal(max_bytes=int(size * ROOM), sensitivity=sensitivity)),
            (f"at least {snr + BETTER:.0f} dB", Goal(min_snr=snr + BETTER, sensitivity=sensitivity)),
        ):
            place = folder / f"{sensitivity} {words}"
            try:
                made = subject.exported(place, precision="auto", goal=goal, max_bytes=goal.max_bytes)
            except GateError as error:
                lines.append(f"| {subject.title} | auto, {sensitivity}, {words} | {error.lines[0]} | | | |")
                continue
            kept = next(note for note in made.notes if note.startswith("in float stay"))
            groups = kept.partition("(")[2].partition(")")[0]
            lines.append(_row(subject.title, f"auto, {sensitivity}, {words}", *subject.figures(made), groups))
            print(lines[-1], flush=True)
    return lines


def _row(title: str, what: str, size: int, snr: float, agreed: float, kept: str) -> str:
    return f"| {title} | {what} | {size / 1e6:.2f} | {snr:.1f} | {agreed:.1%} | {kept} |"


def samples(subject: Subject, folder: Path) -> list[str]:
    """For each method of ranges, what so many images give."""
    assert subject.request.calibration is not None
    lines = []
    for method in METHODS:
        cells = []
        for count in SAMPLES:
            drawn = replace(subject.request.calibration, samples=count, method=method)
            made = subject.exported(folder / f"{method} {count}", calibration=drawn)
            _, snr, agreed = subject.figures(made)
            cells.append(f"{snr:.1f} dB, {agreed:.1%}")
        lines.append(f"| {method} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="What mixtures of precisions gain.")
    parser.add_argument("--photos", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    arguments = parser.parse_args()
    lines = [
        "| model | precision | MB | SNR, dB | first class as trained | in float |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, subject in enumerate(subjects(arguments.photos, arguments.data, folder)):
            lines += mixtures(subject, folder / str(number))
        lines += [
            "",
            f"| ranges of {subject.title} by | {' | '.join(f'{count} images' for count in SAMPLES)} |",
            f"| --- |{' ---: |' * len(SAMPLES)}",
            *samples(subject, folder / "samples"),
        ]
    if arguments.write:
        replace_between(DOCUMENT, *MARKS, ["", *lines, ""])
    return 0


if __name__ == "__main__":
    sys.exit(main())
