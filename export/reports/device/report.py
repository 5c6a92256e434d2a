"""What a device reported of a bundled app, for a terminal."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.words import count, plain, wrapped
from .plan import plan_lines

if TYPE_CHECKING:
    from ...artifact.folder import Artifact
    from ...bundle.boundaries import Boundary
    from ...bundle.device_report import DeviceReport

__all__ = ["coarse_lines", "coarse_sentences", "device_lines", "values_lines", "vector_lines"]


def vector_lines(report: DeviceReport, *, failures_alone: bool = False) -> Iterator[str]:
    """Each vector with its error and what is allowed; those that were not run, too."""
    for vector in report.vectors:
        if failures_alone and vector.passed:
            continue
        error = "not compared" if vector.error is None else f"{vector.error:.1e} of the largest output"
        images = "" if vector.preprocessing else "; its preprocessing is wrong"
        yield f"  {'pass' if vector.passed else 'FAIL'}  {vector.name}: {error}, {vector.allowed:.0e} allowed{images}"
    for name in report.missing:
        yield f"  FAIL  {name}: not run"


def coarse_sentences(reports: Sequence[DeviceReport]) -> Iterator[str]:
    """About the outputs of the artifact that all ``reports`` are of that narrow sums could change to anything, each once."""
    found = {name: bound.because for report in reports for name, bound in report.too_coarse.items()}
    for name, because in found.items():
        yield (
            f"{plain(name)}: {because}. What is off by more is not shown to be right, nor which operator is wrong: a probe's "
            "values tell (`bundle --probe`)"
        )


def coarse_lines(reports: Sequence[DeviceReport]) -> Iterator[str]:
    """The same for a terminal."""
    for sentence in coarse_sentences(reports):
        yield from wrapped(f"  note  {sentence}", indent=8)


def device_lines(
    report: DeviceReport, kept: Path, found: Sequence[Boundary] = (), short: str | None = None
) -> Iterator[str]:
    """The device, each vector with its error, the median latency, where it ran if the report says that, and the verdict.
    ``short`` is why too little ran on the accelerator."""
    runtime = report.document["runtime"]
    yield plain(f"{report.device}: {runtime['name']} {runtime['version']}, {runtime['provider']}")
    yield from vector_lines(report)
    yield from coarse_lines([report])
    latency = report.document["latency"]
    if latency is not None and latency["samples_ns"]:
        samples = latency["samples_ns"]
        threads = "" if latency["threads"] is None else f", {count(latency['threads'], 'thread')}"
        yield f"  {statistics.median(samples) / 1e6:.2f} ms, median of {len(samples)}{threads}"
    if report.document["schema_version"] > 1:
        yield from map(plain, plan_lines(report.plan, found))
    if short is not None:
        yield plain(f"  FAIL  {short}")
    yield f"{'PASS' if report.passed and short is None else 'FAIL'}: kept as {kept}"


def values_lines(artifact: Artifact, kept: Sequence[Path]) -> Iterator[str]:
    """The files of a probe's values, and the command that judges them."""
    for path in kept:
        yield f"  values inside: kept as {path}"
    if kept:
        given = " ".join(f"--device-values {shlex.quote(str(path))}" for path in kept)
        model = "" if artifact.manifest.weights.origin == "random" else " --weights CHECKPOINT"
        yield f"  next: cloformer parity {shlex.quote(str(artifact.folder))}{model} {given}"
