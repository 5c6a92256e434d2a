"""`cloformer hub`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cloformer.io.output import say, say_json

from .completion import checkpoints
from .next_step import next_step
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
    say(next_step("upload", f"YOUR-NAME/{_repository(folder)}", folder, program="hf"))


def _repository(folder: Path) -> str:
    """The folder's name, of the letters that the Hub takes."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", folder.resolve().name).strip("-.") or "model"
