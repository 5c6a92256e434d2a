"""`cloformer bench --device adb`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cloformer.errors import UsageError
from cloformer.io.output import say, say_json

from ..bundle.settings import DEFAULT_IDENTIFIER
from .progress import progress

__all__ = ["Device", "Package", "bench_on_phone"]

Device = Annotated[
    str | None,
    typer.Option(
        help="Time on a phone instead: adb, or adb:SERIAL; the app of `cloformer bundle` is installed there.",
        autocompletion=lambda: ["adb"],
    ),
]
Package = Annotated[str | None, typer.Option(help="With --device: the app's identifier.")]
_SECONDS = 900.0


def bench_on_phone(
    artifacts: Sequence[Path],
    device: str,
    package: str | None,
    preset: str,
    threads: str,
    time_limit: float | None,
    output: Path | None,
    quiet: bool,
    as_json: bool,
    others: Mapping[str, object],
) -> None:
    """Measure by the installed app. Exit 1 if what it runs is not shown to be the artifact's model.

    ``others`` are the options that the app does not have, by name. Raises :class:`UsageError` for them.
    """
    from ..artifact.folder import read_artifact
    from ..device.adb import find_adb
    from ..device.phone import PRESET, measure_on_phone
    from ..latency.protocol import parse_threads
    from ..reports.device.phone import render, write_phone_latency

    kind, _, serial = device.partition(":")
    if kind == "arm64":
        raise UsageError(
            "an emulated device has no times",
            "cloformer parity ARTIFACT --device arm64 counts its instructions",
        )
    if kind != "adb" or device.endswith(":"):
        raise UsageError(f"unknown device {device!r}", "--device takes: adb, adb:SERIAL")
    for option, value in others.items():
        if value:
            raise UsageError(
                f"{option} is not there with --device: the app measures by itself", "leave it out"
            )
    if preset not in ("normal", PRESET):
        raise UsageError(f"the app has no preset {preset}: it measures by {PRESET}", "leave --preset out")
    counts = parse_threads(threads)
    if len(artifacts) != 1 or len(counts) != 1:
        raise UsageError(
            "an app has one model, and runs it with one thread count", "give one artifact and one --threads"
        )
    artifact = read_artifact(artifacts[0])
    with progress(quiet or as_json) as report_stage:
        measured = measure_on_phone(
            artifact,
            find_adb(serial or None),
            package or DEFAULT_IDENTIFIER,
            threads=counts[0],
            time_limit=time_limit or _SECONDS,
            progress=report_stage,
        )
    if output is not None:
        write_phone_latency(measured, output)
    if as_json:
        say_json(measured.to_json())
    else:
        say(*render(measured).split("\n"))
    if not measured.report.passed:
        raise typer.Exit(1)
