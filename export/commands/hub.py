"""`cloformer hub`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Debug, Json, print_json

__all__ = ["hub"]


def hub(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint that `cloformer train` wrote.")],
    output: Annotated[Path, typer.Option(help="The folder, new or empty.")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a checkpoint as a folder for the Hugging Face Hub: config.json, model.safetensors, a model card.

    Every --weights takes such a folder.
    """
    from cloformer.checkpoint import CheckpointError
    from cloformer.hub import write_hub_folder

    from ..errors import InputError
    from ..source import checkpoint_error, find_weights

    try:
        folder = write_hub_folder(find_weights(checkpoint), output)
    except CheckpointError as error:
        raise checkpoint_error(error) from error
    except OSError as error:
        raise InputError(
            f"{output} cannot be written: {error.strerror or error}", "choose another --output"
        ) from None
    if as_json:
        print_json({"folder": str(folder), "files": sorted(path.name for path in folder.iterdir())})
        return
    print(f"{folder}: config.json, model.safetensors, README.md")
    print(f"  next: hf upload YOUR-NAME/{folder.name} {folder}")
