"""The checkpoint in the box on the images that it was not trained on, in every form that it is exported in.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.shipped [--data DIR] [--images 1000] [--runtimes] [--write]

PyTorch and ONNX Runtime on all 10,000 test images of Fashion-MNIST; the Core ML programs in the reference runtime, which
is slow, on 1,000 of them, and PyTorch on the same. What computes in 8 bits takes its ranges from 128 of the images that it was
trained on. Exit code 1 below 91 %, where a form's share of right first guesses is more than 0.1 % from PyTorch's on the same images (in 8
bits 0.3 %), or where a form in 8 bits weighs more than a third of the format's float32 (Core ML: 30 %). ``--runtimes``: LiteRT and ExecuTorch
instead, on all of them, which need their extras.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cloformer.errors import InputError
from cloformer.export.accuracy.data import Dataset, read_dataset
from cloformer.export.accuracy.judged import Judged
from cloformer.export.accuracy.scores import interval
from cloformer.export.calibration.images import Calibration
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.training.evaluate import Evaluation, evaluate

from .markdown import replace_between

ROOT = Path(__file__).parent.parent.parent
NAME = Path("fashion-mnist")
DATA = Path("/usr/share/datasets/fashion-mnist")
LABELS = ROOT / "cloformer" / "weights" / "fashion-mnist-labels.txt"
Form = tuple[str, str, str]
OF_ALL_IMAGES: tuple[Form, ...] = (("onnx", "fp32", "ONNX"), ("onnx", "int8", "ONNX"))
OF_SOME: tuple[Form, ...] = (
    ("coreml", "fp32", "Core ML"), ("coreml", "fp16", "Core ML"), ("coreml", "int8", "Core ML"),
)  # fmt: skip
OF_RUNTIMES: tuple[Form, ...] = (
    ("litert", "fp32", "LiteRT"), ("litert", "int8", "LiteRT"), ("executorch", "fp32", "ExecuTorch"),
    ("executorch", "int8", "ExecuTorch"),
)  # fmt: skip
TARGETS = {("coreml", "int8"): {"target": "ios17"}}
AT_LEAST, APART, APART_IN_8_BITS = 0.91, 0.001, 0.003
SHARE, SHARE_OF_CORE_ML = 0.33, 0.30  # of the size in float32, at most, in 8 bits
CALIBRATED_ON = 128
BEGIN, END = "<!-- shipped checkpoint: make fashion-mnist -->", "<!-- end of the shipped checkpoint -->"
README, RUNTIMES = ROOT / "README.md", ROOT / "docs" / "runtimes.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--images", type=int, default=1000, help="for Core ML's reference runtime")
    parser.add_argument("--runtimes", action="store_true", help="in LiteRT and ExecuTorch instead")
    parser.add_argument("--write", action="store_true", help="write the table")
    given = parser.parse_args()
    try:
        data = read_dataset(given.data, LABELS)
    except InputError as error:
        sys.exit(f"{error}\nDebian's package dataset-fashion-mnist puts it at {DATA}; or give --data")
    with tempfile.TemporaryDirectory() as folder:
        parts: list[tuple[tuple[Form, ...], int | None]] = [(OF_ALL_IMAGES, None), (OF_SOME, given.images)]
        rows = measured(Path(folder), data, [(OF_RUNTIMES, None)] if given.runtimes else parts)
    lines = table(rows)
    print("\n".join(lines))
    if given.write:
        replace_between(RUNTIMES if given.runtimes else README, BEGIN, END, lines)
    wrong = failures(rows)
    if wrong:
        sys.exit("\n".join(wrong))


def measured(
    folder: Path, data: Dataset, parts: Sequence[tuple[Sequence[Form], int | None]]
) -> list[tuple[str, Evaluation]]:
    """What each row is called, and its scores; ``parts`` are forms with the number of images that they are tried on."""
    paths = {}
    for form, precision, _ in (form for forms, _ in parts for form in forms):
        is_in_8_bits = precision == "int8"
        request = ExportRequest(
            weights=NAME,
            formats=(form,),
            precision=precision,
            calibration=Calibration(some_to_train_on(data, folder)) if is_in_8_bits else None,
            options=TARGETS.get((form, precision), {}),
            output=folder,
        )
        paths[form, precision] = export(request)[0].artifact.folder
    rows = []
    for forms, limit in parts:
        chosen = [None, *forms]
        subjects = [NAME if form is None else paths[form[0], form[1]] for form in chosen]
        names = ["PyTorch" if form is None else f"{form[2]} {form[1]}" for form in chosen]
        found = evaluate(
            subjects,
            Judged.of(data),
            limit=limit,
            options=RunnerOptions(threads=1),
            progress=lambda text: print(text, file=sys.stderr),
        )
        rows += list(zip(names, found, strict=True))
    return rows


def some_to_train_on(data: Dataset, folder: Path) -> Path:
    """:data:`CALIBRATED_ON` of the images that the network was trained on, as files."""
    place = folder / "calibration"
    if not place.exists():
        place.mkdir()
        drawn = np.random.default_rng(0).choice(len(data.to_train.labels), CALIBRATED_ON, replace=False)
        for number in sorted(drawn):
            data.to_train.load(int(number)).save(place / f"{number:05d}.png")
    return place


def table(rows: Sequence[tuple[str, Evaluation]]) -> list[str]:
    lines = ["| | MB | runs in | images | top-1 (95 %) | top-5 | same first guess as PyTorch |",
             "| --- | ---: | --- | ---: | --- | ---: | ---: |"]  # fmt: skip
    for name, row in rows:
        assert row.scores is not None  # the images have labels
        low, high = interval(row.scores.top1, row.scores.images)
        agrees = "" if row.agreement is None else f"{row.agreement:.2%}"
        lines.append(
            f"| {name} | {'' if row.bytes is None else f'{row.bytes / 1e6:.1f}'} | {row.runs_in} | {row.scores.images:,} | {row.scores.top1:.2%} ({low:.2%} to {high:.2%}) | "
            f"{row.scores.top5:.2%} | {agrees} |"
        )
    return lines


def failures(rows: Sequence[tuple[str, Evaluation]]) -> list[str]:
    """What is not as good as it must be."""
    scores = [(name, row.scores) for name, row in rows if row.scores is not None]
    own = {row.images: row.top1 for name, row in scores if name == "PyTorch"}
    wrong = [f"FAIL: {top1:.2%} is below {AT_LEAST:.0%}" for top1 in [own[max(own)]] if top1 < AT_LEAST]
    for name, row in scores:
        apart = abs(row.top1 - own[row.images])
        if apart > (APART_IN_8_BITS if name.endswith("int8") else APART) + 1e-12:
            wrong.append(f"FAIL: {name} is {apart:.2%} from PyTorch")
    sizes = {name: row.bytes for name, row in rows if row.bytes is not None}
    for title in (name.removesuffix(" int8") for name in sizes if name.endswith(" int8")):
        share = sizes[f"{title} int8"] / sizes[f"{title} fp32"]
        if share > (SHARE_OF_CORE_ML if title == "Core ML" else SHARE):
            wrong.append(f"FAIL: {title} in int8 weighs {share:.1%} of float32")
    return wrong


if __name__ == "__main__":
    main()
