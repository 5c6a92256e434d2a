"""`cloformer pareto`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.errors import InputError, UsageError
from cloformer.io.output import say, say_json, tell
from cloformer.io.progress import Progress

from ..formats.runners import RunnerOptions
from ..formats.work_limit import MOST_WORK
from ..pareto.figures import FIGURES
from .judging_options import DataLabels, Limit, ReferenceModel, ReferenceSpec, ReferenceWeights
from .latency_options import Html, Plots
from .options import Debug, Json, MaxWork, Quiet, Threads
from .progress import progress

if TYPE_CHECKING:
    from cloformer.training.report import EvaluationReport

__all__ = ["pareto"]


def pareto(
    artifacts: Annotated[list[Path], typer.Argument(help="Folders of artifacts.")],
    reports: Annotated[
        list[Path] | None,
        typer.Option(
            "--report",
            help="What `evaluate --json`, `bench --output` or `parity --device arm64 --json` wrote of them; may be given several times.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Judge them on these images now, which are as `evaluate` takes them.")
    ] = None,
    labels: DataLabels = None,
    model: ReferenceModel = None,
    weights: ReferenceWeights = None,
    spec: ReferenceSpec = None,
    limit: Limit = None,
    figures: Annotated[
        list[str] | None,
        typer.Option(
            "--figure",
            help=f"What they are compared by: {', '.join(FIGURES)}; may be given several times.",
            autocompletion=lambda: list(FIGURES),
        ),
    ] = None,
    threads: Threads = 0,
    max_work: MaxWork = MOST_WORK,
    html: Html = None,
    plots: Plots = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what artifacts weigh, what an inference takes, and how good they are, and mark those that another dominates.

    An artifact is dominated if another is at least as good in every figure that is shown, and better in one. Nothing is measured
    again that a --report says.
    """
    from ..artifact.folder import read_artifact
    from ..pareto.gather import gather
    from ..pareto.read import read_report, said_by
    from ..reports.pareto import text
    from ..reports.pareto.page import write_pareto_page
    from ..reports.pareto.plots import pareto_plots
    from ..reports.shared.plots import prepare, write_plots
    from ..reports.shared.words import unreadable_lines
    from ..reports.training.evaluated import notes

    of_data = {"--labels": labels, "--model": model, "--weights": weights, "--spec": spec, "--limit": limit}
    given = next((name for name, value in of_data.items() if value is not None), None)
    if data is None and given is not None:
        raise UsageError(f"{given} is for the images of --data, and none are given", "add --data FOLDER")
    if plots is not None:
        prepare(plots)
    found = [read_artifact(path) for path in artifacts]
    said = [item for path in reports or [] for item in read_report(path)]
    judged: EvaluationReport | None = None
    if data is not None:
        options = RunnerOptions(threads=threads, max_work=max_work or None)
        reference = _Reference(model, weights, spec)
        with progress(quiet or as_json) as stage:
            judged = _judge([item.folder for item in found], data, labels, reference, limit, options, stage)
        said += said_by(judged.to_json(), str(data))
    front = gather(found, said, figures or [])
    if html is not None:
        write_pareto_page(front, html)
    if plots is not None:
        write_plots(pareto_plots(front), plots)
    if as_json:
        say_json(front.to_json())
    else:
        say(*text.render(front), *notes(() if judged is None else judged.results))
    if judged is not None:
        tell(*map(str, judged.data.left_out))
        unreadable = judged.results[0].unreadable
        tell(*unreadable_lines([item.reason for item in unreadable], judged.results[0].images))
        if unreadable:
            raise typer.Exit(InputError.exit_code)


@dataclass(frozen=True)
class _Reference:
    """What the artifacts are held to, as the options say it."""

    model: str | None
    weights: Path | None
    spec: Path | None


def _judge(
    folders: Sequence[Path],
    data: Path,
    labels: Path | None,
    reference: _Reference,
    limit: int | None,
    options: RunnerOptions,
    stage: Progress,
) -> EvaluationReport:
    """What `evaluate` finds of them."""
    from cloformer.training.evaluate import evaluate
    from cloformer.training.limits import Limits
    from cloformer.training.report import EvaluationReport
    from cloformer.training.subjects import reference_of, spec_of

    from ..accuracy.judged import read_judged

    images = read_judged(data, labels)
    given = spec_of(folders, reference.model, reference.weights, reference.spec)
    held = reference_of(folders, reference.model, reference.weights, given)
    results = evaluate(folders, images, reference=held, limit=limit, options=options, progress=stage)
    return EvaluationReport(images, Limits(), tuple(results))
