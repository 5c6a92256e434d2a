"""Exports networks of timm and holds them to PyTorch.

::

    PYTHONPATH=tests:tests/support python -m timm_networks [--only NAME ...] [--forms FORM ...] [--json FILE]

Every network is written as ONNX in float32 and as Core ML in float16 and float32; parity compares each with the model,
operator by operator. Tables in Markdown say what it found, and how much of what is allowed was needed, by kind of operator.
Exit code 1 if a right export fails, or if an overflow in float16 is not named.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cloformer.errors import CloformerError, GateError, UnsupportedError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.parity.report import OperatorResult, OutputResult, ParityReport
from cloformer.export.parity.tolerances import ROUNDOFF
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.natures import nature_of
from cloformer.export.reference.references import References

from .networks import NETWORKS

FORMS = {"onnx fp32": ("onnx", "fp32"), "coreml fp16": ("coreml", "fp16"), "coreml fp32": ("coreml", "fp32")}


@dataclass(frozen=True)
class Need:
    """What one operator needed: its error in roundings of its largest result, and as a share of what is allowed."""

    kind: str
    operator: str
    roundings: float
    share: float


@dataclass(frozen=True)
class Row:
    """One network in one form. ``verdict`` is what was found in words; ``is_right`` whether that is the truth."""

    network: str
    form: str
    verdict: str
    is_right: bool
    operators: int
    of_operators: int
    output_share: float
    output_error: float
    needs: tuple[Need, ...]
    seconds: float


def rows(names: Sequence[str], forms: Sequence[str], folder: Path) -> Iterator[Row]:
    """Every network in every form. What fails is a row too."""
    for name in names:
        references = References()
        for form in (FORMS[label] for label in forms):
            start = time.monotonic()
            report, verdict, is_right = _judged(name, form, folder, references)
            yield _row(name, form, verdict, is_right, report, time.monotonic() - start)


def _judged(
    name: str, form: tuple[str, str], folder: Path, references: References
) -> tuple[ParityReport | None, str, bool]:
    """What parity found, in words, and whether that is right."""
    model = f"timm_networks.networks:{name}"
    size = NETWORKS[name].size
    request = ExportRequest(
        model=model,
        formats=form[:1],
        precision=form[1],
        image_size=(size, size),
        output=folder,
        keep_failed=True,
    )
    expected = NETWORKS[name].overflows and form[1] == "fp16"
    try:
        artifact = _exported(request)
        report = compare(artifact, ParityRequest(model=model), references=references)
    except UnsupportedError as error:
        return None, f"refused: {error.lines[0]}", False
    except CloformerError as error:
        return None, f"{type(error).__name__}: {' '.join(error.lines)}", False
    first = report.first_divergence
    if report.passed:
        return report, "passed", not expected
    if first is not None and first.verdict == "overflows":
        return report, f"overflow at {first.node} ({first.module or 'the model'})", expected
    wrong = [str(first)] if first else [str(item) for item in report.failures]
    return report, f"failed: {'; '.join([*wrong, *report.not_compared][:3])}", False


def _exported(request: ExportRequest) -> Artifact:
    """The artifact; the kept one where its outputs are not the model's."""
    try:
        return export(request)[0].artifact
    except GateError:
        (kept,) = request.output.glob(f"*-{request.formats[0]}-*-{request.precision}-failed")
        return read_artifact(kept)


def _row(
    name: str,
    form: tuple[str, str],
    verdict: str,
    is_right: bool,
    report: ParityReport | None,
    seconds: float,
) -> Row:
    label = " ".join(form)
    if report is None:
        return Row(name, label, verdict, is_right, 0, 0, 0.0, 0.0, (), seconds)
    shares = [item.figures.max_abs / item.allowed for item in report.outputs if _tells(item)]
    roundoff = ROUNDOFF["float16" if form[1] == "fp16" else "float32"]
    return Row(
        name,
        label,
        verdict,
        is_right,
        len(report.operators),
        report.operators_total,
        max(shares, default=0.0),
        max((item.figures.max_rel for item in report.outputs if item.kind != "hostile"), default=0.0),
        tuple(_need(item, roundoff) for item in report.operators if item.tolerance > 0),
        seconds,
    )


def _tells(item: OutputResult) -> bool:
    """Whether the output is judged: not where the format costs so much that it cannot tell, nor where it ends before a
    value inside."""
    is_beyond = item.failure is None and item.figures.max_abs > item.allowed
    return item.tolerance.judges and item.allowed > 0 and not is_beyond


def _need(item: OperatorResult, roundoff: float) -> Need:
    computing = [kind for kind in map(nature_of, _targets(item)) if kind != "moves"]
    kind = computing[0] if len(computing) == 1 else "several in one" if computing else "moves"
    return Need(kind, item.operator, item.own_error / roundoff, item.own_error / item.tolerance)


def _targets(item: OperatorResult) -> list[str]:
    """The operators of a group, as far as their nodes' names tell: ``conv2d_3`` is a ``conv2d``."""
    names = [node.rstrip("0123456789").rstrip("_") for node in item.group[:-1]]
    return [*(f"aten.{name}.default" for name in names), item.operator]


def tables(found: Sequence[Row]) -> str:
    """The result in Markdown."""
    lines = [
        "| network | form | verdict | operators compared | error of outputs | largest share of what is allowed |",
        "| --- | --- | --- | --: | --: | --: |",
    ]
    for row in found:
        wrong = "" if row.is_right else " **(wrong)**"
        lines.append(
            f"| {row.network} | {row.form} | {row.verdict}{wrong} | {row.operators} of {row.of_operators} | "
            f"{row.output_error:.1e} | {row.output_share:.2f} |"
        )
    lines += [
        "",
        "| kind of operator | form | compared | largest error, in roundings | largest share of what is allowed | by |",
        "| --- | --- | --: | --: | --: | --- |",
    ]
    for (kind, form), needs in sorted(_by_kind(found).items()):
        most = max(needs, key=lambda need: need.share)
        lines.append(
            f"| {kind} | {form} | {len(needs)} | {max(need.roundings for need in needs):.2f} | {most.share:.2f} | "
            f"`{most.operator}` |"
        )
    return "\n".join(lines)


def _by_kind(found: Sequence[Row]) -> Mapping[tuple[str, str], list[Need]]:
    groups: dict[tuple[str, str], list[Need]] = {}
    for row in found:
        for need in row.needs:
            groups.setdefault((need.kind, row.form), []).append(need)
    return groups


def main() -> int:
    parser = argparse.ArgumentParser(description="Networks of timm, held to PyTorch operator by operator.")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument(
        "--forms",
        nargs="+",
        choices=FORMS,
        default=list(FORMS),
        metavar="FORM",
        help=f"of {', '.join(FORMS)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every operator and what it needed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    with tempfile.TemporaryDirectory(prefix="timm-") as folder:
        for row in rows(arguments.only, arguments.forms, Path(folder)):
            found.append(row)
            print(
                f"{row.network} {row.form}: {row.verdict} ({row.seconds:.0f} s)", file=sys.stderr, flush=True
            )
            if arguments.json is not None:
                arguments.json.write_text(
                    json.dumps([asdict(item) for item in found], indent=1) + "\n", "utf-8"
                )
    print(f"\n{tables(found)}\n")
    wrong = [f"{row.network} {row.form}" for row in found if not row.is_right]
    print(f"{len(found) - len(wrong)} of {len(found)} right", *wrong, sep="\n  ")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
