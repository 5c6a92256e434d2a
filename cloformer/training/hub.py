"""A trained checkpoint as a folder for the Hugging Face Hub, with a model card that says how to train it again.

Pushing the folder is done with the Hub's own tools (``hf upload``); :mod:`cloformer.hub` reads it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from cloformer import __version__
from cloformer.checkpoint import identify, read_checkpoint, widths_of
from cloformer.errors import InputError
from cloformer.export.source.trained import training_of
from cloformer.hub import CARD, CONFIG, WEIGHTS, config_of
from cloformer.io.fields import Fields
from cloformer.io.read import parse_json, read_bytes
from cloformer.io.staging import refuse_what_is_there, staged
from cloformer.io.words import bounded, json_text, markdown
from cloformer.variants import VARIANTS
from cloformer.weights import find_weights

from .recipe import RECIPES, Recipe

__all__ = ["model_card", "write_hub_folder"]

_MAX_BYTES = 2**32  # of a checkpoint
_NAMES, _LONGEST_NAME = 20, 60  # that a card shows


def write_hub_folder(checkpoint: Path, folder: Path) -> Path:
    """Write the three files beside one another; ``folder`` is new or empty.

    Raises :class:`InputError` for a checkpoint that does not say how it was trained, and for a place that cannot be
    written or has something in it.
    """
    found = read_checkpoint(checkpoint)
    try:
        held = identify(found.tensors, found.metadata)
        if held is None or held.name != found.metadata["variant"]:
            raise ValueError(f"its variant is {found.metadata['variant']!r}, and it is not")
        config = json_text(config_of(found.metadata))
        card = "\n".join(model_card(found.metadata)) + "\n"
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"checkpoint {checkpoint} does not say how it was trained, or another version wrote it: {error}",
            f"give one that `cloformer train` {__version__} wrote",
        ) from None
    file = find_weights(checkpoint)
    file = file / WEIGHTS if file.is_dir() else file
    with staged(folder, refuse_what_is_there) as staging:
        content = read_bytes(file, _MAX_BYTES, "try again when it is whole")
        if hashlib.sha256(content).hexdigest() != found.sha256:
            raise InputError(f"{file} changed while it was read", "try again when it is whole")
        (staging / WEIGHTS).write_bytes(content)
        (staging / CONFIG).write_text(config, "utf-8")
        (staging / CARD).write_text(card, "utf-8")
    return folder


def model_card(metadata: Mapping[str, str]) -> Iterator[str]:
    """What it is, how good it is and on how many images, how to use it and how to train it again; in Markdown, whatever
    the metadata say. :class:`KeyError` or :class:`ValueError` if they are not those of a trained checkpoint."""
    scores = Fields(parse_json(metadata["scores"]), "scores")
    images, top1, top5 = scores.whole("images", 1), scores.number("top1", 0, 1), scores.number("top5", 0, 1)
    low, high = scores.numbers("top1_interval", 0, 1, most=2)
    trained = training_of(metadata, None)
    labels, rule = trained.labels, trained.preprocessing
    if labels is None or rule is None:
        raise KeyError("cloformer")
    variant, dataset = metadata["variant"], markdown(bounded(metadata["dataset"]))
    licence = bounded(metadata["licence"]) if "licence" in metadata else None
    shown = [markdown(bounded(name, _LONGEST_NAME)) for name in labels[:_NAMES]]
    yield from ["---", "library_name: cloformer", "pipeline_tag: image-classification"]
    if licence is not None:
        yield f"license: {_yaml(licence.lower())}"
    yield from ["tags: [image-classification, cloformer, mobile]", "metrics: [accuracy]", "---", ""]
    yield from [f"# {variant}, trained on {dataset}", ""]
    yield (
        "[CloFormer](https://arxiv.org/abs/2303.17803) is a light vision transformer: convolutions with gated, "
        "context-aware weights beside pooled attention."
    )
    yield from ["", "| | |", "| --- | --- |"]
    yield f"| top-1 | {top1:.2%} of {images:,} images (95 %: {low:.2%} to {high:.2%}) |"
    yield f"| top-5 | {top5:.2%} |"
    yield f"| input | {rule.height} x {rule.width} pixels, short side resized to {rule.resize_size} |"
    widths = widths_of(metadata)
    if widths is not None:
        yield f"| pruned | {widths.beside(VARIANTS[variant].widths)} are left |"
    yield f"| classes | {len(labels)}: {', '.join(shown)}{', ...' if len(labels) > _NAMES else ''} |"
    yield f"| licence | {'not stated' if licence is None else markdown(licence)} |"
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
    recipe = Recipe.from_json(parse_json(metadata["recipe"]))
    begin = ""
    if "weights" in metadata:
        begin = f", from the checkpoint with SHA-256 `{Fields(metadata).sha256('weights')}`"
    yield from [
        "## Training",
        "",
        f"With cloformer {markdown(bounded(metadata['cloformer'], 40))} and seed {recipe.seed}{begin}:",
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
    yield f"cloformer train --data {_quoted(metadata['dataset'])} --model {metadata['variant']} --recipe {name}"
    if fed:
        yield "--weights CHECKPOINT"
    yield from (
        f"--{option} {_quoted(metadata[option])}" for option in ("teacher", "licence") if option in metadata
    )
    yield from (f"--set {_quoted(each)}" for each in settings[name])
    yield "--output runs/again"


def _quoted(word: str) -> str:
    """A word of a shell's line: in one line, so that nothing ends the block that it stands in."""
    return shlex.quote(bounded(word))


def _yaml(text: str) -> str:
    """A scalar: as it is where it can mean nothing else, in quotes otherwise, as JSON has them too."""
    is_plain = re.fullmatch(r"[a-z][a-z0-9.+-]+", text) and text not in (
        "null",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
    )
    return text if is_plain else json.dumps(text).replace("<", "\\u003c")
