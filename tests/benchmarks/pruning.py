"""What pruning saves, and what it costs: the checkpoint in the box without 30 % of its hidden channels.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.pruning [--only CRITERION ...] [--folder DIR] [--data DIR] [--write]

By each criterion the checkpoint is pruned and fine-tuned for two epochs on Fashion-MNIST's training images, and scored on its
10,000 test images before and after. Instructions are those of the ONNX export on an emulated arm64 core. What was trained is
kept in the folder, and a run that was stopped goes on there. Exit code 1 where a fine-tuned network is more than half a point
below the checkpoint. ``--write`` puts the table into docs/pruning.md.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloformer.checkpoint import load_checkpoint, save_checkpoint
from cloformer.errors import InputError
from cloformer.export.accuracy.data import Dataset, read_dataset
from cloformer.export.accuracy.judged import Judged
from cloformer.export.accuracy.scores import Scores, interval
from cloformer.export.device.arm64 import Arm64Device
from cloformer.export.device.arm64_parity import compare_on_device
from cloformer.export.parity.verify import ParityRequest
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.counts import multiply_adds, parameter_count
from cloformer.export.source.signature import TensorSpec
from cloformer.pruning import CRITERIA, plan, pruned, pruned_metadata
from cloformer.training.evaluate import evaluate
from cloformer.training.logs import Epoch
from cloformer.training.run import TrainRequest, train

from .markdown import replace_between
from .shipped import DATA, LABELS, NAME, ROOT

SHARE, MULTIPLE, MOST_LOST = 0.3, 8, 0.005
SIZE = 64
# From weights that are trained already: a low rate, hardly a warm-up, and an average over the last steps alone.
SETTINGS = (
    "epochs=2",
    f"resize_size={SIZE}",
    "learning_rate=0.0012",
    "warmup_epochs=0.2",
    "ema=0.99",
    "stored=fp16",
)
DOCUMENT = ROOT / "docs" / "pruning.md"
BEGIN, END = "<!-- pruning: make pruning -->\n", "<!-- end of pruning -->"


@dataclass(frozen=True)
class Row:
    """A checkpoint, with its scores; of one that is not fine-tuned there is no count of instructions."""

    name: str
    parameters: int
    multiply_adds: int
    instructions: int | None
    scores: Scores


class Lines:
    """A line per epoch."""

    def say(self, words: str) -> None:
        print(words, file=sys.stderr)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, row: Epoch, epochs: int) -> None:
        print(f"epoch {row.epoch} of {epochs}: top-1 {row.top1:.2%}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(CRITERIA), choices=list(CRITERIA), help="criteria")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "pruning")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--write", action="store_true", help="write the table of docs/pruning.md")
    given = parser.parse_args()
    try:
        data = read_dataset(given.data, LABELS)
    except InputError as error:
        sys.exit(f"{error}\nDebian's package dataset-fashion-mnist puts it at {DATA}; or give --data")
    subjects = [("the checkpoint in the box", NAME)]
    for criterion in given.only:
        small, tuned = made(given.folder, criterion, given.data)
        subjects += [(f"pruned by {criterion}", small), (f"{criterion}, 2 epochs later", tuned)]
    rows = [
        measured(name, path, data, given.folder, is_counted=not name.startswith("pruned"))
        for name, path in subjects
    ]
    lines = table(rows)
    print("\n".join(lines))
    if given.write:
        replace_between(DOCUMENT, BEGIN, END, lines)
    least = rows[0].scores.top1 - MOST_LOST
    below = [row.name for row in rows if row.name.endswith("later") and row.scores.top1 < least]
    if below:
        sys.exit(f"FAIL: below {least:.2%}: {', '.join(below)}")


def made(folder: Path, criterion: str, data: Path) -> tuple[Path, Path]:
    """The pruned checkpoint, and the fine-tuned one."""
    small, run = folder / f"{criterion}.safetensors", folder / criterion
    model, checkpoint = load_checkpoint(NAME)
    smaller = pruned(model, plan(model, {"hidden": SHARE}, criterion, MULTIPLE))
    save_checkpoint(smaller, small, pruned_metadata(checkpoint, smaller))
    begun = (run / "run.json").is_file()  # then the run has the weights that it began with
    request = TrainRequest(
        data,
        run,
        recipe="quick",
        settings=SETTINGS,
        weights=None if begun else small,
        labels=LABELS,
        licence="MIT",
        resume=begun,
    )
    return small, train(request, Lines()).last


def measured(name: str, path: Path, data: Dataset, folder: Path, *, is_counted: bool) -> Row:
    print(name, file=sys.stderr)
    model, _ = load_checkpoint(path)
    image = TensorSpec("image", (1, 3, SIZE, SIZE), "float32", "image")
    (found,) = evaluate([path], Judged.of(data))
    assert found.scores is not None  # the images have labels
    counted = instructions(path, folder / "artifacts") if is_counted else None
    return Row(name, parameter_count(model), multiply_adds(model, [image]), counted, found.scores)


def instructions(weights: Path, folder: Path) -> int:
    """Of one inference of the ONNX export, the input that takes the most."""
    artifact = export(ExportRequest(weights=weights, output=folder))[0].artifact
    report, counts = compare_on_device(artifact, ParityRequest(), Arm64Device())
    if counts is None or not report.passed:
        sys.exit(f"{artifact.folder}: not counted on the emulated device, or not the model there")
    return counts.most


def table(rows: Sequence[Row]) -> list[str]:
    lines = ["| | parameters | multiply-adds | instructions on arm64 | top-1 (95 %) |",
             "| --- | ---: | ---: | ---: | --- |"]  # fmt: skip
    before = rows[0]
    for row in rows:
        low, high = interval(row.scores.top1, row.scores.images)
        counted = "" if row.instructions is None else f"{row.instructions / 1e6:.1f} million"
        if row.instructions is not None and row is not before and before.instructions is not None:
            counted += f" ({row.instructions / before.instructions - 1:+.1%})"
        lines.append(
            f"| {row.name} | {_beside(row.parameters, before.parameters)} | "
            f"{_beside(row.multiply_adds, before.multiply_adds)} | {counted} | "
            f"{row.scores.top1:.2%} ({low:.2%} to {high:.2%}) |"
        )
    return lines


def _beside(count: int, before: int) -> str:
    return f"{count:,}" + ("" if count == before else f" ({count / before - 1:+.1%})")


if __name__ == "__main__":
    main()
