"""A checkpoint as a folder of the Hugging Face Hub: ``config.json``, ``model.safetensors``, and a model card.

The configuration repeats what the checkpoint's metadata says, for people and pages that do not open it; what is read is
checked against it. :mod:`cloformer.training.hub` writes such folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cloformer.errors import CheckpointError, InputError
from cloformer.io.fields import Fields
from cloformer.io.read import parse_json, read_json
from cloformer.variants import PRUNED

__all__ = ["CARD", "CONFIG", "WEIGHTS", "check_config", "config_of"]

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_MODEL_TYPE = "cloformer"
_MAX_CONFIG = 2**24  # bytes


def config_of(metadata: Mapping[str, str]) -> dict[str, object]:
    """What ``config.json`` says of a checkpoint that `cloformer train` wrote. :class:`KeyError` or
    :class:`ValueError` for the metadata of another."""
    labels = Fields({"labels": parse_json(metadata["labels"])}).texts("labels")
    widths = {PRUNED: parse_json(metadata[PRUNED])} if PRUNED in metadata else {}
    return {
        "architectures": ["CloFormer"],
        "model_type": _MODEL_TYPE,
        "variant": metadata["variant"],
        **widths,
        "num_labels": len(labels),
        "id2label": {str(number): name for number, name in enumerate(labels)},
        "label2id": {name: number for number, name in enumerate(labels)},
        "preprocessing": parse_json(metadata["preprocessing"]),
        "cloformer_version": metadata["cloformer"],
    }


def check_config(folder: Path, metadata: Mapping[str, str]) -> None:
    """:class:`CheckpointError` if the configuration says something else of the weights than their metadata do."""
    path, advice = folder / CONFIG, "download the folder again"
    try:
        config = Fields(read_json(path, _MAX_CONFIG, advice))
        said = config_of(metadata)
        differing = [name for name in said if name not in config or config.take(name) != said[name]]
    except InputError as error:
        raise CheckpointError(*error.lines) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__} {error}"
        raise CheckpointError(f"{path} and {WEIGHTS} do not fit: {reason}", advice) from None
    if differing:
        raise CheckpointError(f"{path} says another {differing[0]} than {WEIGHTS}", advice)
