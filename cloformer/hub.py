"""A checkpoint as a folder of the Hugging Face Hub: ``config.json``, ``model.safetensors``, and a model card.

The configuration repeats what the checkpoint's metadata says, for people and pages that do not open it; what is read is
checked against it. :mod:`cloformer.training.hub` writes such folders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

__all__ = ["CARD", "CONFIG", "WEIGHTS", "config_of", "read_hub_folder"]

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_MODEL_TYPE = "cloformer"


def config_of(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What ``config.json`` says of a checkpoint that `cloformer train` wrote. :class:`KeyError` or
    :class:`ValueError` for the metadata of another."""
    labels = json.loads(metadata["labels"])
    return {
        "architectures": ["CloFormer"],
        "model_type": _MODEL_TYPE,
        "variant": metadata["variant"],
        "num_labels": len(labels),
        "id2label": {str(number): name for number, name in enumerate(labels)},
        "label2id": {name: number for number, name in enumerate(labels)},
        "preprocessing": json.loads(metadata["preprocessing"]),
        "cloformer_version": metadata["cloformer"],
    }


def read_hub_folder(folder: Path) -> Checkpoint:
    """Its weights; :class:`CheckpointError` if the configuration says something else of them than they do."""
    from .checkpoint import CheckpointError, read_checkpoint

    found = read_checkpoint(folder / WEIGHTS)
    advice = "download the folder again"
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        differing = [key for key, value in config_of(found.metadata).items() if config.get(key) != value]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__} {error}"
        raise CheckpointError(f"{folder / CONFIG} and {WEIGHTS} do not fit: {reason}", advice) from None
    if differing:
        raise CheckpointError(f"{folder / CONFIG} says another {differing[0]} than {WEIGHTS}", advice)
    return found
