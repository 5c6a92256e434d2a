"""`cloformer predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloformer.errors import InputError
from cloformer.io.output import say, say_json, tell

from ..formats.work_limit import MOST_WORK
from ..source.shares import parse_share
from .options import Debug, Json, MaxWork, Threads

__all__ = ["predict"]


def predict(
    artifact: Annotated[
        Path,
        typer.Argument(help="An artifact's folder, as `cloformer export` printed it, or its model file."),
    ],
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Photographs, or folders of them, such as photos/. None: the one that comes with cloformer."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write every output as FOLDER/IMAGE/OUTPUT.npy, as the model gave it."
        ),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw boxes, maps of classes, masks and points over each photograph: FOLDER/IMAGE.png.",
        ),
    ] = None,
    min_score: Annotated[str, typer.Option(help="Boxes need such a score, as 0.3 or 30%.")] = "0.3",
    opacity: Annotated[str, typer.Option(help="Of what is drawn over all of a photograph.")] = "0.5",
    threads: Threads = 0,
    max_work: MaxWork = MOST_WORK,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run an artifact on photographs, preprocessed as its manifest says: classes by probability, boxes, maps and points in the
    photograph's own pixels, other outputs by range.

    A photograph that cannot be read does not stop the others: it is named, and the exit code is 3.
    """
    from ..artifact.folder import read_artifact
    from ..artifact.predict import free_name, save_outputs
    from ..artifact.predict import predict as run_predict
    from ..formats.runners import RunnerOptions, notes_of
    from ..reference.cases import PHOTOGRAPH
    from ..reports.artifact import predicted
    from ..reports.artifact.drawing import write_drawings
    from ..reports.shared.words import unreadable_lines
    from ..source.images import Unreadable, collect_images

    least = parse_share("--min-score", min_score, 0.3)
    over = parse_share("--opacity", opacity, 0.5)
    found = read_artifact(artifact)
    photographs = collect_images(images or [PHOTOGRAPH])
    options = RunnerOptions(threads=threads, max_work=max_work or None)
    taken: set[str] = set()
    drawn: set[str] = set()
    documents, unreadable = [], []
    for item in run_predict(found, photographs.images, top=top, min_score=least, options=options):
        if isinstance(item, Unreadable):
            unreadable.append(item)
            continue
        saved = None if save is None else save_outputs(item, save, taken)
        pictures = [] if draw is None else write_drawings(item, draw, free_name(item.image, drawn), over)
        if as_json:
            documents.append(
                item.to_json()
                | ({} if saved is None else {"saved": str(saved)})
                | ({} if draw is None else {"drawn": list(map(str, pictures))})
            )
        else:
            shown = Path(item.image).name if not images else item.image
            say(*predicted.lines(item, shown, saved, pictures))
    notes = notes_of(found.model, options=options)
    if as_json:
        say_json({
            "trained": found.manifest.weights.origin != "random",
            "notes": list(notes),
            "predictions": documents,
            "unreadable": [item.to_json() for item in unreadable],
            "left_out": [item.to_json() for item in photographs.left_out],
        })  # fmt: skip
    else:
        say(*predicted.remarks(found, notes))
        tell(*map(str, photographs.left_out))
    reasons = [item.reason for item in unreadable]
    tell(*unreadable_lines(reasons, len(photographs.images) - len(reasons)))
    if unreadable:
        raise typer.Exit(InputError.exit_code)
