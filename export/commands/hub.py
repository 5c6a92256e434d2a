"""`cloformer hub`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloformer.io.output import say, say_json

from .completion import checkpoints
from .options import Debug, Json

__all__ = ["hub"]


def hub(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint that `cloformer train` wrote, or fashion-mnist.", autocompletion=checkpoints
        ),
    ],
    output: Annotated[Path, typer.Option(help="The folder, new or empty.")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a checkpoint as a folder for the Hugging Face Hub: config.json, model.safetensors, a model card.

    Every --weights takes such a folder.
    """
    from cloformer.training.hub import write_hub_folder

    folder = write_hub_folder(checkpoint, output)
    if as_json:
        say_json({"folder": str(folder), "files": sorted(path.name for path in folder.iterdir())})
        return
    say(f"{folder}: config.json, model.safetensors, README.md")
    say(f"  next: hf upload YOUR-NAME/{folder.name} {folder}")
