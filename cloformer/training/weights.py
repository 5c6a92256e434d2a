"""The checkpoint that a run leaves: weights, and in the file's metadata all that an export needs to know of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

import cloformer
from cloformer.checkpoint import save_checkpoint
from cloformer.export.accuracy.data import Dataset
from cloformer.export.accuracy.scores import Scores

from .recipe import Recipe

__all__ = ["as_stored", "write_weights"]

_KINDS = {"fp32": torch.float32, "fp16": torch.float16}


def as_stored(model: nn.Module, recipe: Recipe) -> nn.Module:
    """With the values that :func:`write_weights` keeps, so that the scores are those of the written file."""
    kind = _KINDS[recipe.stored]
    rounded = copy.deepcopy(model)
    for value in rounded.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.to(kind))
    return rounded


def write_weights(
    path: Path,
    model: nn.Module,
    variant: str,
    data: Dataset,
    recipe: Recipe,
    scores: Scores,
    about: Mapping[str, str],
) -> None:
    """:class:`InputError` if the place cannot be written; what was there before then stays."""
    metadata = {
        "variant": variant,
        "labels": json.dumps(data.classes, ensure_ascii=False),
        "preprocessing": json.dumps(recipe.preprocessing().to_json(), sort_keys=True),
        "recipe": json.dumps(recipe.to_json(), sort_keys=True),
        "scores": json.dumps(scores.to_json(), sort_keys=True),
        "dataset": data.name,
        "cloformer": cloformer.__version__,
        **about,
    }
    advice = "free some space, and go on with --resume"
    save_checkpoint(model, path, metadata, dtype=_KINDS[recipe.stored], advice=advice)
