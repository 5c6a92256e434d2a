"""`cloformer export`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloformer.errors import UsageError, choose
from cloformer.io.output import say, say_json

from ..calibration.goal import SENSITIVITIES, Goal
from ..calibration.methods import METHODS
from ..formats import FORMATS
from ..source.precision import AUTO, PRECISIONS
from ..source.shares import parse_share
from .completion import checkpoints, models_and_files
from .decoding import NMS, decoding_of
from .lint import FailOn, gate_of_export, linted, tell
from .next_step import next_step
from .options import (
    Debug,
    Json,
    MaxPartitions,
    MaxSize,
    MaxUndelegated,
    Quiet,
    parse_bytes,
    parse_size,
    with_format_options,
)
from .progress import progress

if TYPE_CHECKING:
    from ..calibration.images import Calibration

__all__ = ["export"]


@with_format_options
def export(
    named: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            show_default=False,
            help="--model or --weights, by what it is: cloformer_xs, nets.py:build, timm:resnet18, best.safetensors, fashion-mnist.",
            autocompletion=lambda incomplete: [*models_and_files(incomplete), *checkpoints(incomplete)],
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A built-in model, nets.py:factory, timm:NAME?option=value, torchvision:NAME, or hf:FOLDER.",
            autocompletion=models_and_files,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint, .safetensors or .pth, or fashion-mnist, which is in the box.",
            autocompletion=checkpoints,
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help=f"{', '.join(FORMATS)}. Given several times, one artifact each.",
            autocompletion=lambda: list(FORMATS),
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="; ".join(f"{row.name}: {' or '.join(row.precisions)}" for row in FORMATS.values())
            + "; auto: int8, but for what a goal needs in float.",
            autocompletion=lambda: [*PRECISIONS, AUTO],
        ),
    ] = None,
    precision_map: Annotated[
        Path | None, typer.Option(help="Operators that fp16 keeps in fp32, as `parity` writes them.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Folder of images like the app's, which --precision int8 takes its ranges from."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="So many of those images, drawn once and for all.")
    ] = None,
    min_snr: Annotated[
        float | None,
        typer.Option(help="--precision auto: decibels beside the trained model that the images must have."),
    ] = None,
    min_agreement: Annotated[
        str | None,
        typer.Option(
            help="--precision auto: share of the images whose first class must be the trained model's."
        ),
    ] = None,
    max_accuracy_drop: Annotated[
        str | None,
        typer.Option(
            help="--precision auto: by what share top-1 may drop, by its 95 % interval on the images, as 1%; they need labels, as `evaluate` takes them."
        ),
    ] = None,
    sensitivity: Annotated[
        str | None,
        typer.Option(
            help=f"--precision auto: what layers are ranked by: {' or '.join(SENSITIVITIES)}.",
            autocompletion=lambda: list(SENSITIVITIES),
        ),
    ] = None,
    range_method: Annotated[
        str | None,
        typer.Option(
            help=f"How a range is made of what was seen: {', '.join(METHODS)}.",
            autocompletion=lambda: list(METHODS),
        ),
    ] = None,
    image_size: Annotated[str | None, typer.Option(help="Pixels, 224 or HEIGHTxWIDTH.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images per inference.")] = 1,
    num_classes: Annotated[int | None, typer.Option(min=1, help="Classes of a built-in model.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Class names, one a line: makes a classifier.")] = None,
    spec: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with a module's inputs, preprocessing, outputs, labels: `cloformer spec` has its keys."
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="An input of a module: NAME=1x3x224x224[:DTYPE].")
    ] = None,
    nms: Annotated[
        str | None,
        typer.Option(
            help=f"Suppress overlapping boxes of a detector inside the file: {', '.join(NMS)}; pipeline is Core ML's own stage, which Vision reads.",
            autocompletion=lambda: list(NMS),
        ),
    ] = None,
    max_detections: Annotated[int | None, typer.Option(min=1, help="--nms: so many boxes at most.")] = None,
    score_threshold: Annotated[
        str | None, typer.Option(help="--nms: boxes need a larger score, as 0.3 or 30%.")
    ] = None,
    iou_threshold: Annotated[
        str | None,
        typer.Option(help="--nms: what overlaps a better box by more of their union goes."),
    ] = None,
    class_map: Annotated[
        str | None,
        typer.Option(
            help="Give the number of the largest class at each pixel of a map of this size, 512 or HEIGHTxWIDTH."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder that the artifacts' folders go into.")] = Path("build"),
    seed: Annotated[int, typer.Option(help="Seed of random weights.")] = 0,
    reparameterize: Annotated[
        bool, typer.Option(help="Rewrite the graph by exact passes, or export the plain trace.")
    ] = True,
    keep_failed: Annotated[
        bool,
        typer.Option(
            "--keep-failed", help="Keep what is not the PyTorch model, as NAME-failed, to look into."
        ),
    ] = False,
    max_size: MaxSize = None,
    max_partitions: MaxPartitions = None,
    max_undelegated: MaxUndelegated = None,
    lint: Annotated[
        bool, typer.Option("--lint", help="Then say what phones may compute otherwise, as `lint` does.")
    ] = False,
    fail_on: FailOn = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Convert, show what would be written, and write nothing."),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
    **options: str | None,
) -> None:
    """Write a model as ONNX and Core ML, load each file back, and compare it with PyTorch."""
    from ..parity.request import ParityRequest
    from ..pipeline.export import export as run_export
    from ..pipeline.preview import preview
    from ..pipeline.request import ExportRequest
    from ..reports.artifact import text as summary
    from ..source.libraries.asked import names_a_library
    from ..source.named import names_a_module
    from ..source.spec import ModelSpec, parse_input, read_spec
    from ..source.what import model_and_weights

    if spec is not None and inputs:
        raise UsageError("--spec and --input both declare inputs", "give one of them")
    if named is not None and re.fullmatch("[0-9]+", named):
        raise UsageError(
            f"{named} is no model",
            f"a size of two numbers is one word: --image-size {image_size or named}x{named}",
        )
    gate = gate_of_export(fail_on, is_asked=lint, is_dry=dry_run)
    model, weights = model_and_weights(named, model, weights)
    request = ExportRequest(
        model=model,
        weights=weights,
        formats=tuple(formats or ("onnx",)),
        precision=precision,
        precision_map=precision_map,
        calibration=_calibration(calibration, samples, range_method, seed),
        goal=_goal(precision, min_snr, min_agreement, max_accuracy_drop, parse_bytes(max_size), sensitivity),
        keep_failed=keep_failed,
        max_bytes=parse_bytes(max_size),
        max_partitions=max_partitions,
        max_undelegated=max_undelegated,
        image_size=None if image_size is None else parse_size(image_size),
        batch=batch,
        num_classes=num_classes,
        options={name: value for name, value in options.items() if value is not None},
        labels=labels,
        spec=read_spec(spec)
        if spec is not None
        else ModelSpec(tuple(parse_input(text) for text in inputs or ())),
        seed=seed,
        decoding=decoding_of(nms, max_detections, score_threshold, iou_threshold, class_map),
        reparameterize=reparameterize,
        output=output,
    )
    if dry_run:
        with progress(quiet or as_json) as report:
            previews = preview(request, report)
        if as_json:
            say_json({"dry_run": True, "artifacts": [planned.to_json() for planned in previews]})
        for planned in [] if as_json else previews:
            say(*summary.previewed(planned))
        return
    with progress(quiet or as_json) as report:
        exported = run_export(request, report)
        found = linted([item.artifact for item in exported], ParityRequest(), report) if lint else []
    if as_json:
        say_json(
            {
                "artifacts": [
                    {
                        "folder": str(item.artifact.folder),
                        "difference_from_pytorch": item.difference.to_json(),
                        "notes": list(item.notes),
                        "sensitivities": [group.to_json() for group in item.sensitivities],
                        "manifest": item.artifact.manifest.to_json(),
                    }
                    for item in exported
                ],
                **({"lint": [report.to_json() for report in found]} if lint else {}),
            }
        )
        tell(found, gate, is_silent=True)
        return
    for item in exported:
        say(*summary.exported(item))
    given = {
        "--model": model if model is not None and (names_a_library(model) or names_a_module(model)) else None,
        "--weights": weights,
        "--spec": spec,
        "--labels": labels,
    }
    options_given = [word for name, value in given.items() if value is not None for word in (name, value)]
    say(next_step("parity", *(item.artifact.folder for item in exported), *options_given))
    tell(found, gate, is_silent=False)


def _calibration(
    folder: Path | None, samples: int | None, method: str | None, seed: int
) -> Calibration | None:
    if folder is None:
        for flag, value in {"--samples": samples, "--range-method": method}.items():
            if value is not None:
                raise UsageError(f"{flag} is of the images to calibrate on", "add --calibration FOLDER")
        return None
    from ..calibration.images import SAMPLES, Calibration

    return Calibration(folder, samples or SAMPLES, method or METHODS[0], seed)


def _goal(
    precision: str | None,
    min_snr: float | None,
    min_agreement: str | None,
    max_accuracy_drop: str | None,
    max_bytes: int | None,
    sensitivity: str | None,
) -> Goal | None:
    """What --precision auto goes by; None where nothing of it is given."""
    if precision != AUTO and (min_snr, min_agreement, max_accuracy_drop, sensitivity) == (None,) * 4:
        return None
    least = None if min_agreement is None else parse_share("--min-agreement", min_agreement, 0.98)
    most = None if max_accuracy_drop is None else parse_share("--max-accuracy-drop", max_accuracy_drop, 0.01)
    ranked_by = choose("sensitivity", sensitivity or SENSITIVITIES[0], SENSITIVITIES)
    return Goal(min_snr, least, most, max_bytes, ranked_by)
