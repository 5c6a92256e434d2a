"""`cloformer view`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloformer.io.output import say, say_json

from .options import Debug, Json

__all__ = ["view"]


def view(
    artifact: Annotated[Path, typer.Argument(help="An artifact's folder, as `cloformer export` printed it.")],
    html: Annotated[Path, typer.Option(help="Write one self-contained page to this file.")],
    parity: Annotated[
        Path | None, typer.Option(help="Colour by each operator's own error: what `parity --json` wrote.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Colour by share of time: what `profile --json` wrote.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draw the graph of an artifact's file as a page: every operator with its module, line, shapes and weights, coloured by kind,
    module, precision, size, own error or share of time.

    Errors and times are read from reports, given or in ARTIFACT-reports: nothing is run.
    """
    from cloformer.io.write import refuse_unwritable

    from ..artifact.folder import read_artifact
    from ..reports.view import text
    from ..reports.view.page import write_picture
    from ..view.measured import PARITY, PROFILE, Missing, beside, read_measured
    from ..view.picture import draw

    refuse_unwritable(html, "choose another --html")
    found = read_artifact(artifact)
    errors = beside(PARITY, found) if parity is None else read_measured(PARITY, parity, found)
    times = beside(PROFILE, found) if profile is None else read_measured(PROFILE, profile, found)
    missing = [item for item in (errors, times) if isinstance(item, Missing)]
    picture = draw(
        found,
        None if isinstance(errors, Missing) else errors,
        None if isinstance(times, Missing) else times,
    )
    written = write_picture(html, picture, missing)
    if as_json:
        say_json({"view": text.as_json(picture, html, written, missing)})
    else:
        say(*text.lines(picture, html, written, missing))
