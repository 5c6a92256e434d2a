"""`cloformer lint`, and what `cloformer export --lint` adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.errors import UsageError
from cloformer.io.output import say, say_json
from cloformer.io.progress import Progress, part

from .options import Debug, Json, Quiet
from .progress import progress

if TYPE_CHECKING:
    from ..artifact.folder import Artifact
    from ..lint.lint import Gate, LintReport
    from ..parity.request import ParityRequest

__all__ = ["FailOn", "gate_of", "gate_of_export", "lint", "linted", "tell"]


def _choices() -> list[str]:
    from ..lint.lint import Gate

    return Gate.choices()


FailOn = Annotated[
    list[str] | None,
    typer.Option(
        help="Exit 1 for findings of this rule, of error, warning or note (and what is worse), or any; may be given several times.",
        autocompletion=_choices,
    ),
]


def lint(
    artifacts: Annotated[list[Path], typer.Argument(help="Folders of artifacts.")],
    images: Annotated[
        list[Path] | None, typer.Option(help="Photographs, or a folder of them; may be given several times.")
    ] = None,
    fail_on: FailOn = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise that is fed.")] = 0,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Name the operators that phones are reported to compute wrong, or slowly, each with its line, the report and what to do.

    Rules about magnitudes run the file on images and hold only where the magnitude is met. Reports are of certain devices: for
    others a finding is an estimate.
    """
    from ..artifact.folder import read_artifact
    from ..parity.request import ParityRequest
    from ..source.images import collect_images

    gate = gate_of(fail_on)
    photographs = collect_images(images or [])
    request = ParityRequest(images=photographs.images, seed=seed)
    with progress(quiet or as_json) as report_stage:
        reports = linted([read_artifact(path) for path in artifacts], request, report_stage)
    if as_json:
        say_json({"schema_version": 1, "reports": [report.to_json() for report in reports]})
    tell(reports, gate, is_silent=as_json)


def gate_of(names: Sequence[str] | None) -> Gate:
    """What `--fail-on` asks; :class:`UsageError` for a name that is no rule and no severity."""
    from ..lint.lint import Gate

    return Gate(tuple(names or ()))


def gate_of_export(names: Sequence[str] | None, *, is_asked: bool, is_dry: bool) -> Gate:
    """The same beside `--lint`, without which it does nothing."""
    if names and not is_asked:
        raise UsageError("--fail-on is of what --lint finds", "add --lint or leave --fail-on out")
    if is_asked and is_dry:
        raise UsageError(
            "--lint reads what was written, and --dry-run writes nothing", "leave one of them out"
        )
    return gate_of(names)


def linted(artifacts: Sequence[Artifact], request: ParityRequest, report_stage: Progress) -> list[LintReport]:
    """A report for each artifact."""
    from ..lint.lint import lint as run_lint

    many = len(artifacts)
    return [
        run_lint(artifact, request, part(report_stage, number / many, (number + 1) / many))
        for number, artifact in enumerate(artifacts)
    ]


def tell(reports: Sequence[LintReport], gate: Gate, *, is_silent: bool) -> None:
    """What was found, on the terminal and in a job's summary; exit 1 if the gate fails, or an image that it was to be held on cannot
    be read."""
    from ..reports.lint import github, text

    for report in () if is_silent else reports:
        say(*text.lines(report, gate))
    github.report_if_there(reports, gate)
    if any(gate.failures(report) or (gate.names and report.unreadable) for report in reports):
        raise typer.Exit(1)
