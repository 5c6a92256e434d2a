"""A bundled project in words: what was written, and what to do with it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..shared.words import plain

if TYPE_CHECKING:
    from ...bundle.device_report import DeviceReport
    from ...bundle.project import Bundled

__all__ = ["device", "vector_lines", "verified", "written"]

_NEXT = {
    "android": (
        "open the folder in Android Studio and run `app`, or: gradle :app:installDebug",
        "prove it on the phone: gradle :app:connectedDebugAndroidTest",
    ),
    "ios": (
        "open CloFormer.xcodeproj in Xcode and run the scheme `App`",
        "prove it on the phone: Product > Test",
    ),
}


def written(project: Bundled) -> Iterator[str]:
    """The folder, what is in it, what stayed, and the next commands."""
    yield f"{project.folder}"
    yield (
        f"  {project.system.title} project: {project.files} files, {project.bytes / 1e6:.1f} MB, "
        f"{project.vectors} conformance vectors"
    )
    for name in project.kept:
        yield f"  kept, for you have edited it: {plain(name)}"
    for line in _NEXT[project.system.name]:
        yield f"  {line}"


def verified(folder: Path, record: Mapping[str, Any], edited: Sequence[str]) -> Iterator[str]:
    """What was checked, and the template's files that are the user's by now."""
    yield f"{folder}: the model and its conformance kit are as {plain(str(record['artifact']))} was exported"
    for name in edited:
        yield f"  edited since: {plain(name)}"


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


def device(report: DeviceReport, kept: Path) -> Iterator[str]:
    """The device, each vector with its error, the median latency, and the verdict."""
    runtime = report.document["runtime"]
    yield plain(f"{report.device}: {runtime['name']} {runtime['version']}, {runtime['provider']}")
    yield from vector_lines(report)
    latency = report.document["latency"]
    if latency is not None and latency["samples_ns"]:
        samples = latency["samples_ns"]
        threads = "" if latency["threads"] is None else f", {latency['threads']} threads"
        yield f"  {statistics.median(samples) / 1e6:.2f} ms, median of {len(samples)}{threads}"
    yield f"{'PASS' if report.passed else 'FAIL'}: kept as {kept}"
