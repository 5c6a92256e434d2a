"""`cloformer import-device-report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.errors import UsageError
from cloformer.io.output import say, say_json
from cloformer.io.words import count

from ..source.shares import parse_share
from .latency_options import Html
from .options import Debug, Json

if TYPE_CHECKING:
    from ..bundle.device_report import DeviceReport

__all__ = ["import_device_report"]

_USUAL = 0.95  # of an example


def import_device_report(
    report: Annotated[
        list[Path],
        typer.Argument(
            help="device-report.json, as the app's tests or a web bundle's page wrote it; of several devices side by side."
        ),
    ],
    artifact: Annotated[Path, typer.Option(help="The artifact that the app or the page was bundled from.")],
    values: Annotated[
        list[Path] | None,
        typer.Option(help="Files of values that a probe's tests wrote; may be given several times."),
    ] = None,
    min_on_accelerator: Annotated[
        str | None,
        typer.Option(help="Least share on the accelerator that was asked for, by operators and by cost."),
    ] = None,
    html: Html = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge what a phone's tests found by the artifact's own tolerances, and keep it beside the artifact, with the values of a probe.

    Exit 1 if a vector is out of tolerance or was not run, or if too little ran on the accelerator.
    """
    from ..artifact.folder import read_artifact
    from ..bundle.boundaries import boundaries, plan_json
    from ..bundle.device_report import read_device_report, save_device_report
    from ..bundle.located import locator
    from ..bundle.probe import keep_values, values_beside
    from ..reports.device.phones import phones_lines
    from ..reports.device.phones_page import write_phones_page
    from ..reports.device.report import device_lines, values_lines

    minimum = (
        None
        if min_on_accelerator is None
        else parse_share("--min-on-accelerator", min_on_accelerator, _USUAL)
    )
    if values is not None and len(report) > 1:
        raise UsageError(
            f"--values are of one device, and here are {count(report, 'report')}",
            "import each report by itself: cloformer import-device-report device-report.json --artifact FOLDER --values FILE",
        )
    found = read_artifact(artifact)
    judged = [read_device_report(path, found) for path in report]
    locate = locator(found, is_needed=any(item.plan.operators for item in judged))
    kept = [save_device_report(item, found) for item in judged]
    inside = [
        keep_values(values_beside(path) if values is None else values, item, found, place)
        for path, item, place in zip(report, judged, kept, strict=True)
    ]
    short = [None if minimum is None else item.plan.short_of(minimum) for item in judged]
    if html is not None:
        write_phones_page(judged, short, found.folder.name, locate, html)
    if as_json:
        documents = [
            {
                "kept": str(path),
                **({"values": list(map(str, files))} if files else {}),
                **item.to_json(),
                **_placement(item, plan_json(item.plan, locate), minimum, why),
            }
            for item, path, files, why in zip(judged, kept, inside, short, strict=True)
        ]
        say_json(documents[0] if len(documents) == 1 else {"reports": documents})
    else:
        (only, *others) = judged
        lines = (
            phones_lines(judged, short)
            if others
            else device_lines(only, kept[0], boundaries(only.plan, locate), short[0])
        )
        say(*lines, *values_lines(found, [path for files in inside for path in files]))
    if not all(item.passed for item in judged) or any(short):
        raise typer.Exit(1)


def _placement(
    report: DeviceReport, found: dict[str, object], minimum: float | None, why: str | None
) -> dict[str, object]:
    """What a report of version 1 does not have, unless it was asked for."""
    if report.document["schema_version"] < 2 and minimum is None:
        return {}
    gate = None if minimum is None else {"min_on_accelerator": minimum, "held": why is None, "reason": why}
    return {"placement": found, "placement_gate": gate}
