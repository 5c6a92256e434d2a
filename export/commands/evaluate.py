"""`cloformer evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.errors import InputError
from cloformer.io.output import say, say_json, tell

from ..formats.work_limit import MOST_WORK
from .completion import checkpoints
from .next_step import bundle_step, next_step
from .options import Debug, Json, MaxWork, Quiet
from .progress import progress

if TYPE_CHECKING:
    from cloformer.training.evaluate import Evaluation

__all__ = ["evaluate"]


def evaluate(
    subjects: Annotated[
        list[Path],
        typer.Argument(
            help="Checkpoints, artifacts' folders, models as 'timm:resnet18?pretrained=true' or nets.py:build, or fashion-mnist, "
            "which is in the box.",
            autocompletion=checkpoints,
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(help="A folder per class (or val/ with one), MNIST's idx files, or an .npz of arrays."),
    ],
    labels: Annotated[
        Path | None, typer.Option(help="Class names, one a line, for data that has numbers alone.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="The checkpoint, or the model, that the others are to agree with.",
            autocompletion=checkpoints,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many images, drawn once and for all, and not every one.")
    ] = None,
    min_top1: Annotated[
        str | None,
        typer.Option(help="Exit 1 if a share of right first guesses is below, as 0.91 or 91%."),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads of the runtimes; 0: their own choice.")] = 0,
    max_work: MaxWork = MOST_WORK,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say how often models are right on labelled images, and how often they agree with the trained one.

    An image that cannot be read is in none of the figures, and is named: exit 3.
    """
    from cloformer.training.data import read_dataset
    from cloformer.training.evaluate import evaluate as run_evaluate

    from ..formats.runners import RunnerOptions
    from ..latency.protocol import parse_share
    from ..reports.shared.words import unreadable_lines
    from ..reports.training import evaluated

    least = None if min_top1 is None else parse_share("--min-top1", min_top1, 0.91)
    found = read_dataset(data, labels)
    with progress(quiet or as_json) as report:
        options = RunnerOptions(threads=threads, max_work=max_work or None)
        results = list(
            run_evaluate(subjects, found, reference=weights, limit=limit, options=options, progress=report)
        )
    unreadable = list({item.image: item for result in results for item in result.unreadable}.values())
    failed = [result for result in results if least is not None and result.scores.top1 < least]
    if as_json:
        say_json({
            "data": found.name, "min_top1": least, "passed": not failed and not unreadable,
            "left_out": [item.to_json() for item in found.left_out],
            "subjects": [result.to_json() for result in results],
        })  # fmt: skip
    else:
        say(*evaluated.table(results))
        for result in failed:
            say(f"FAIL  {result.subject}: {result.scores.top1:.2%} is below {least:.2%}")
        tell(*map(str, found.left_out))
        if not failed and not unreadable:
            say(*filter(None, [_next(results)]))
    tell(*unreadable_lines([item.reason for item in unreadable], results[0].scores.images))
    if failed:
        raise typer.Exit(1)
    if unreadable:
        raise typer.Exit(InputError.exit_code)


def _next(results: Sequence[Evaluation]) -> str | None:
    """What comes after: the first artifact that fits goes into an app; models alone become artifacts."""
    from cloformer.training.evaluate import names_a_model

    from ..artifact.folder import read_artifact

    artifacts = [Path(result.subject) for result in results if result.format is not None]
    if not artifacts:
        option = "--model" if names_a_model(Path(results[0].subject)) else "--weights"
        return next_step("export", option, results[0].subject, "--format", "onnx", "--format", "coreml")
    steps = (bundle_step(read_artifact(path)) for path in artifacts)
    return next(filter(None, steps), None)
