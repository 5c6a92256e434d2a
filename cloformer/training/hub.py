"""A trained checkpoint as a folder for the Hugging Face Hub, with a model card that says how to train it again.

Pushing the folder is done with the Hub's own tools (``hf upload``); :mod:`cloformer.hub` reads it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from cloformer import __version__
from cloformer.checkpoint import read_checkpoint
from cloformer.errors import InputError, UsageError
from cloformer.hub import CARD, CONFIG, WEIGHTS, config_of
from cloformer.io.staging import refuse_what_is_there, staged
from cloformer.weights import find_weights

from .recipe import RECIPES, Recipe

__all__ = ["model_card", "write_hub_folder"]


def write_hub_folder(checkpoint: Path, folder: Path) -> Path:
    """Write the three files beside one another; ``folder`` is new or empty.

    Raises :class:`InputError` for a checkpoint that does not say how it was trained, and for a place that cannot be
    written or has something in it.
    """
    found = read_checkpoint(checkpoint)
    try:
        config = json.dumps(config_of(found.metadata), indent=2, ensure_ascii=False) + "\n"
        card = "\n".join(model_card(found.metadata)) + "\n"
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise InputError(
            f"checkpoint {checkpoint} does not say how it was trained, or another version wrote it: {error}",
            f"give one that `cloformer train` {__version__} wrote",
        ) from None
    file = find_weights(checkpoint)
    file = file / WEIGHTS if file.is_dir() else file
    with staged(folder, refuse_what_is_there) as staging:
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != found.sha256:
            raise InputError(f"{file} changed while it was read", "try again when it is whole")
        (staging / WEIGHTS).write_bytes(content)
        (staging / CONFIG).write_text(config, "utf-8")
        (staging / CARD).write_text(card, "utf-8")
    return folder


def model_card(metadata: Mapping[str, str]) -> Iterator[str]:
    """What it is, how good it is and on how many images, how to use it and how to train it again; in Markdown."""
    scores, labels, rule = (json.loads(metadata[name]) for name in ("scores", "labels", "preprocessing"))
    variant, dataset = metadata["variant"], metadata["dataset"]
    low, high = scores["top1_interval"]
    yield from ["---", "library_name: cloformer", "pipeline_tag: image-classification"]
    if "licence" in metadata:
        yield f"license: {metadata['licence'].lower()}"
    yield from ["tags: [image-classification, cloformer, mobile]", "metrics: [accuracy]", "---", ""]
    yield from [f"# {variant}, trained on {dataset}", ""]
    yield (
        "[CloFormer](https://arxiv.org/abs/2303.17803) is a light vision transformer: convolutions with gated, "
        "context-aware weights beside pooled attention."
    )
    yield from ["", "| | |", "| --- | --- |"]
    yield f"| top-1 | {scores['top1']:.2%} of {scores['images']:,} images (95 %: {low:.2%} to {high:.2%}) |"
    yield f"| top-5 | {scores['top5']:.2%} |"
    yield f"| input | {rule['height']} x {rule['width']} pixels, short side resized to {rule['resize_size']} |"
    yield f"| classes | {len(labels)}: {', '.join(labels[:20])}{', ...' if len(labels) > 20 else ''} |"
    yield f"| licence | {metadata.get('licence', 'not stated')} |"
    yield from ["", "The images scored are those that were validated on after every epoch."]
    yield from ["", "## Use", "", "```sh", "pip install cloformer"]
    yield from [f"cloformer export --weights {WEIGHTS} --format onnx --format coreml", "```", ""]
    yield from [
        "```python",
        "import cloformer",
        f'model = cloformer.create_model(weights="{WEIGHTS}")',
        "```",
        "",
    ]
    recipe = Recipe.from_json(json.loads(metadata["recipe"]))
    begin = f", from the checkpoint with SHA-256 `{metadata['weights']}`" if "weights" in metadata else ""
    yield from [
        "## Training",
        "",
        f"With cloformer {metadata['cloformer']} and seed {recipe.seed}{begin}:",
        "",
    ]
    yield from ["```sh", " \\\n    ".join(_command(metadata, recipe)), "```", ""]
    yield "`--data` is where the data set is; one that has numbers alone also takes `--labels`, the classes above."


def _command(metadata: Mapping[str, str], recipe: Recipe) -> Iterator[str]:
    """The training again, line by line, by the named recipe that needs the fewest settings besides."""
    fed = (
        "weights" in metadata
    )  # with them the finetune recipe begins at their preprocessing, and not at its own
    settings = {name: recipe.assignments(base, fed=fed) for name, base in RECIPES.items()}
    name = min(settings, key=lambda name: len(settings[name]))
    yield f"cloformer train --data {shlex.quote(metadata['dataset'])} --model {metadata['variant']} --recipe {name}"
    if fed:
        yield "--weights CHECKPOINT"
    yield from (
        f"--{option} {shlex.quote(metadata[option])}"
        for option in ("teacher", "licence")
        if option in metadata
    )
    yield from (f"--set {shlex.quote(each)}" for each in settings[name])
    yield "--output runs/again"
