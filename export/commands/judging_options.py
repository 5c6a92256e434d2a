"""Options of the commands that judge models on images: what the images' numbers mean, and what models are held to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .completion import checkpoints, models_and_files

__all__ = ["DataLabels", "Limit", "ReferenceModel", "ReferenceSpec", "ReferenceWeights"]

DataLabels = Annotated[
    Path | None, typer.Option(help="Class names, one a line, for data that has numbers alone.")
]
ReferenceModel = Annotated[
    str | None,
    typer.Option(
        help="The network that all are held to: nets.py:factory, timm:NAME, torchvision:NAME, hf:FOLDER.",
        autocompletion=models_and_files,
    ),
]
ReferenceWeights = Annotated[
    Path | None,
    typer.Option(help="The checkpoint, or the model, that all are held to.", autocompletion=checkpoints),
]
ReferenceSpec = Annotated[
    Path | None, typer.Option(help="The TOML file that says how the network of --model is fed.")
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="So many images, drawn once and for all, and not every one.")
]
