"""What Core ML's float16 exports lose by how the reference runtime computes: sums wide, narrow, and as the Neural Engine is reported to.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.arithmetics [--only NAME ...] [--write]

CloFormer-XXS as it is exported by default, EfficientNet-B0, and a small network whose head is MobileNetV3's, a product of rank 2 before
hardswish; all with drawn weights. Each is held to PyTorch, operator by operator, in each arithmetic, and its headroom says from
which gain a published cliff is met. ``--write`` puts the tables into docs/coreml-semantics.md. Exit code 1 if a file is not the model
in wide arithmetic: then its other figures mean nothing.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import efficientnet_b0
import six_networks

from cloformer.export.artifact.folder import Artifact
from cloformer.export.formats.coreml.cliffs import CLIFFS
from cloformer.export.formats.coreml.mil import Arithmetic
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.parity.headroom import measure_all
from cloformer.export.parity.report import ParityReport
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.references import References

from .markdown import replace_between

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "coreml-semantics.md"
MARKS = "<!-- arithmetics: make arithmetics -->", "<!-- end of the arithmetics -->"
RULES = "<!-- cliffs: make arithmetics -->", "<!-- end of the cliffs -->"


@dataclass(frozen=True)
class Row:
    """A network: how it is named on the command line, and its images' size; None is its own."""

    model: str
    image_size: tuple[int, int] | None = None


NETWORKS: Mapping[str, Row] = {
    "CloFormer-XXS": Row("cloformer_xxs"),
    "EfficientNet-B0": Row("efficientnet_b0:network", efficientnet_b0.IMAGE_SIZE),
    "small MobileNet": Row("six_networks:mobile", six_networks.IMAGE_SIZE),
}
ORDER = (Arithmetic.WIDE, Arithmetic.NARROW, Arithmetic.NEURAL_ENGINE)


def line(name: str, arithmetic: Arithmetic, report: ParityReport) -> str:
    """A row of the table: on the photograph what is lost, and over all inputs what is wrong."""
    shown = next(item for item in report.outputs if item.kind == "photograph")
    figures = shown.figures
    wrong = sum(not item.passed for item in report.operators)
    first = report.first_divergence
    met = ", ".join(dict.fromkeys(item.cliff.name for item in report.cliffs)) or "none"
    cells = [
        name,
        arithmetic.value,
        f"{figures.max_rel:.2%}",
        f"{figures.snr_db:.1f}",
        f"{wrong} of {len(report.operators)}",
        "" if first is None else f"{first.operator} at {first.module}",
        met if arithmetic is Arithmetic.NEURAL_ENGINE else "",
        "pass" if report.passed else "FAIL",
    ]
    return f"| {' | '.join(cells)} |"


def rooms(name: str, artifact: Artifact) -> Iterator[str]:
    """A row for each cliff that is met at any gain."""
    (room,) = measure_all([artifact], ParityRequest())
    met: dict[str, list[float]] = {}
    for item in room.cliffs:
        met.setdefault(item.cliff.name, []).append(item.gain)
    if not met:
        yield f"| {name} | none, up to {room.gains[-1]:g} | | |"
    for cliff, gains in met.items():
        now = sum(gain == room.gains[0] for gain in gains)
        yield f"| {name} | {cliff} | {min(gains):g} | {now} of {len(gains)} |"


def rules() -> list[str]:
    """The table of what is emulated."""
    lines = [
        "| cliff | what is computed | published | assumed | source |",
        "| --- | --- | --- | --- | --- |",
    ]
    for item in CLIFFS:
        cells = (f"`{item.name}`", f"{item.gives} {item.where}", item.published, item.assumed, item.source)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="What exports lose by how the reference runtime computes.")
    parser.add_argument("--only", nargs="+", default=list(NETWORKS), metavar="NAME", choices=list(NETWORKS))
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    arguments = parser.parse_args()
    if arguments.write and set(arguments.only) < set(NETWORKS):
        parser.error("--write is for all networks")
    lines = [
        "| network | arithmetic | off by, of the largest | SNR, dB | operators wrong | the first | cliffs met | parity |",
        "| --- | --- | ---: | ---: | ---: | --- | --- | --- |",
    ]
    headrooms = ["| network | cliff | met from gain | operators at gain 1 |", "| --- | --- | ---: | ---: |"]
    all_pass = True
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            row = NETWORKS[name]
            request = ExportRequest(
                model=row.model, image_size=row.image_size, formats=("coreml",), output=Path(folder)
            )
            (exported,) = export(request)
            references = References()
            for arithmetic in ORDER:
                asked = ParityRequest(model=row.model, options=RunnerOptions(arithmetic=arithmetic.value))
                report = compare(exported.artifact, asked, references=references)
                lines.append(line(name, arithmetic, report))
                print(lines[-1], flush=True)
                all_pass &= report.passed or arithmetic is not Arithmetic.WIDE
            headrooms.extend(rooms(name, exported.artifact))
    print("\n".join(headrooms))
    if arguments.write:
        replace_between(DOCUMENT, *RULES, ["", *rules(), ""])
        replace_between(DOCUMENT, *MARKS, ["", *lines, "", *headrooms, ""])
    return 0 if all_pass else 1


if __name__ == "__main__":
    sys.exit(main())
