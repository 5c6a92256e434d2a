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
from .judging_options import DataLabels, Limit, ReferenceModel, ReferenceSpec, ReferenceWeights
from .next_step import bundle_step, next_step
from .options import Debug, Json, MaxWork, Quiet, Threads
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
        typer.Option(
            help="A folder per class (or val/ with one), MNIST's idx files, an .npz of arrays, or a folder of images, with labels.json or "
            "without labels."
        ),
    ],
    labels: DataLabels = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="Of maps of classes: for photos/a.jpg of --data the mask a.png, each pixel the number of its class."
        ),
    ] = None,
    coco: Annotated[
        Path | None,
        typer.Option(help="Of boxes: COCO's instances, whose images are in the folder --data."),
    ] = None,
    ignore_class: Annotated[
        int | None, typer.Option(min=0, help="The number in masks that is in no figure.")
    ] = None,
    model: ReferenceModel = None,
    weights: ReferenceWeights = None,
    spec: ReferenceSpec = None,
    limit: Limit = None,
    min_top1: Annotated[
        str | None,
        typer.Option(help="Exit 1 if a share of right first guesses is below, as 0.91 or 91%."),
    ] = None,
    min_miou: Annotated[
        str | None,
        typer.Option(help="Exit 1 if the mean intersection over union is below, as 0.4 or 40%."),
    ] = None,
    min_ap: Annotated[
        str | None,
        typer.Option(help="Exit 1 if COCO's average precision is below, as 0.3 or 30%."),
    ] = None,
    min_agreement: Annotated[
        str | None,
        typer.Option(help="Exit 1 if the first class is the reference's on a smaller share, as 0.97."),
    ] = None,
    min_snr: Annotated[
        float | None,
        typer.Option(help="Exit 1 below so many decibels beside the reference.", metavar="DECIBELS"),
    ] = None,
    max_accuracy_drop: Annotated[
        str | None,
        typer.Option(
            help="Exit 1 unless the 95 % interval of the drop of top-1, mIoU or AP, image by image beside the reference, ends within this, as 1%."
        ),
    ] = None,
    threads: Threads = 0,
    max_work: MaxWork = MOST_WORK,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say how often models are right on images, and what they have lost beside the trained one.

    Of maps of classes (--masks) the mean intersection over union, of boxes (--coco) COCO's average precision.
    Images without labels tell what was lost alone. An image that cannot be read is in none of the figures, and is named: exit 3.
    """
    from cloformer.training.evaluate import evaluate as run_evaluate
    from cloformer.training.limits import Limits
    from cloformer.training.report import EvaluationReport
    from cloformer.training.subjects import reference_of, spec_of

    from ..accuracy.judged import read_judged
    from ..artifact.folder import is_artifact
    from ..formats.runners import RunnerOptions
    from ..reports.shared.words import unreadable_lines
    from ..reports.training import evaluated
    from ..source.shares import parse_share
    from .evaluate_dense import DenseRequest, evaluate_dense

    def share(option: str, text: str | None, example: float) -> float | None:
        return None if text is None else parse_share(option, text, example)

    given = spec_of(subjects, model, weights, spec)
    options = RunnerOptions(threads=threads, max_work=max_work or None)
    drop = share("--max-accuracy-drop", max_accuracy_drop, 0.01)
    dense = DenseRequest(
        masks, coco, ignore_class, share("--min-miou", min_miou, 0.4), share("--min-ap", min_ap, 0.3), drop
    )
    classes_alone = {
        "--labels": labels,
        "--min-top1": min_top1,
        "--min-agreement": min_agreement,
        "--min-snr": min_snr,
    }
    if dense.is_asked(classes_alone):
        reference = reference_of(subjects, model, weights, given)
        evaluate_dense(
            subjects, data, dense, reference, given, limit, options, is_quiet=quiet, as_json=as_json
        )
        return
    limits = Limits(
        share("--min-top1", min_top1, 0.91), share("--min-agreement", min_agreement, 0.97), min_snr, drop
    )
    reference = reference_of(subjects, model, weights, given)
    found = read_judged(data, labels)
    limits.refuse_early(found, has_reference=reference is not None or not all(map(is_artifact, subjects)))
    with progress(quiet or as_json) as report:
        results = run_evaluate(
            subjects, found, reference=reference, spec=given, limit=limit, options=options, progress=report
        )
    done = EvaluationReport(found, limits, tuple(results))
    unreadable = results[0].unreadable
    if as_json:
        say_json(done.to_json())
    else:
        say(*evaluated.table(results), *evaluated.flips(results), *evaluated.notes(results))
        say(*(f"FAIL  {subject}: {line}" for subject, lines in done.problems.items() for line in lines))
        tell(*map(str, found.left_out))
        if done.passed:
            say(*filter(None, [_next(results)]))
    tell(*unreadable_lines([item.reason for item in unreadable], results[0].images))
    if any(done.problems.values()):
        raise typer.Exit(1)
    if unreadable:
        raise typer.Exit(InputError.exit_code)


def _next(results: Sequence[Evaluation]) -> str | None:
    """What comes after: the first artifact that fits goes into an app; models alone become artifacts."""
    from cloformer.training.subjects import names_a_model

    from ..artifact.folder import read_artifact

    artifacts = [Path(result.subject) for result in results if result.format is not None]
    if not artifacts:
        option = "--model" if names_a_model(Path(results[0].subject)) else "--weights"
        return next_step("export", option, results[0].subject, "--format", "onnx", "--format", "coreml")
    steps = (bundle_step(read_artifact(path)) for path in artifacts)
    return next(filter(None, steps), None)
