"""`cloformer import-device-report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloformer.io.output import say, say_json

from .options import Debug, Json

__all__ = ["import_device_report"]


def import_device_report(
    report: Annotated[Path, typer.Argument(help="device-report.json, as the app's tests wrote it.")],
    artifact: Annotated[Path, typer.Option(help="The artifact that the app was bundled from.")],
    values: Annotated[
        list[Path] | None,
        typer.Option(help="Files of values that a probe's tests wrote; may be given several times."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge what a phone's tests found by the artifact's own tolerances, and keep it beside the artifact, with the values of a probe.

    Exit 1 if a vector is out of tolerance or was not run.
    """
    from ..artifact.folder import read_artifact
    from ..bundle.device_report import read_device_report, save_device_report
    from ..bundle.probe import keep_values, values_beside
    from ..reports.device.report import device_lines, values_lines

    found = read_artifact(artifact)
    judged = read_device_report(report, found)
    kept = save_device_report(judged, found)
    inside = keep_values(values_beside(report) if values is None else values, judged, found, kept)
    if as_json:
        say_json({"kept": str(kept), "values": [str(path) for path in inside], **judged.to_json()})
    else:
        say(*device_lines(judged, kept), *values_lines(found, inside))
    if not judged.passed:
        raise typer.Exit(1)
