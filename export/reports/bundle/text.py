"""A bundled project in words: what was written, and what to do with it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...bundle.compute_plan import percent
from ...bundle.systems import SYSTEMS
from ..shared.words import count, plain

if TYPE_CHECKING:
    from ...bundle.project import Bundled
    from ...formats.onnx.partition_estimate import PartitionEstimate

__all__ = ["served", "verified", "written"]

_KINDS = 8  # of operators that are named
# What opens, installs and proves the app; {} is the project's folder, quoted for a shell.
_NEXT = {
    "android": (
        "cd {} && gradle :app:installDebug",
        "cd {} && gradle :app:connectedDebugAndroidTest   # proves on the phone that it is the model",
        "# or open the folder in Android Studio and run `app`, with a phone connected",
    ),
    "ios": (
        "open {}/CloFormer.xcodeproj",
        "# on a Mac: run the scheme `App`; Product > Test proves on the phone that it is the model",
    ),
    "web": (
        "cloformer serve {}   # and open the address in a browser",
        "# conformance.html proves on a phone that it is the model; any https file host serves it there",
    ),
}


def written(project: Bundled) -> Iterator[str]:
    """The folder, what is in it, what stayed, and the next commands to type."""
    yield f"{project.folder}"
    yield (
        f"  {project.system.title} project with {project.runtime.title}: {count(project.files, 'file')}, {project.bytes / 1e6:.1f} MB, "
        f"{count(project.vectors, 'conformance vector')}"
    )
    if project.estimate is not None:
        yield from map(plain, _estimate_lines(project.estimate))
    if project.probes:
        yield f"  {count(project.probes, 'model')} for its tests that give the values inside"
    for name in project.kept:
        yield f"  kept, for you have edited it: {plain(name)}"
    for number, line in enumerate(_NEXT[project.system.name]):
        yield f"  {'' if number else 'next:':<6}{line.format(shlex.quote(str(project.folder)))}"


def _estimate_lines(estimate: PartitionEstimate) -> Iterator[str]:
    """How the provider would share the model out; the tests on a phone say how it did."""
    if estimate.why_not is not None:
        yield f"  {estimate.title}: no estimate of its share, for {estimate.why_not}"
        return
    share = percent(estimate.taken / estimate.operators)
    yield (
        f"  estimate, without a phone: {estimate.title} takes {estimate.taken:,} of {count(estimate.operators, 'operator')} "
        f"({share}), in {count(estimate.partitions, 'partition')}"
    )
    if estimate.left:
        kinds = ", ".join(f"{name} {number:,}" for name, number in estimate.left[:_KINDS])
        yield f"    on the processor: {kinds}{', ...' if len(estimate.left) > _KINDS else ''}"


def verified(folder: Path, record: Mapping[str, object], edited: Sequence[str]) -> Iterator[str]:
    """What was checked, and the template's files that are the user's by now."""
    yield f"{folder}: the model and its conformance kit are as {plain(str(record['artifact']))} was exported"
    for name in edited:
        yield f"  edited since: {plain(name)}"
    if edited and SYSTEMS[str(record["system"])].list_file is not None:
        yield "  a browser does not keep the page for use offline until it is bundled again with --force"


def served(
    folder: Path, record: Mapping[str, object], edited: Sequence[str], address: str, port: int
) -> Iterator[str]:
    """What is shown, at which address, and how a phone gets there."""
    yield from verified(folder, record, edited)
    yield f"  {address}   until Ctrl-C, for this machine alone"
    yield f"  an Android phone by cable: adb reverse tcp:{port} tcp:{port}, then http://localhost:{port}/ there"
