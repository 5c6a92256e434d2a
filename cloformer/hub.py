"""A checkpoint as a folder for the Hugging Face Hub: ``config.json``, ``model.safetensors``, and a model card.

Written and read here; pushing it is done with the Hub's own tools (``hf upload``). The configuration repeats what
the checkpoint's metadata says, for people and pages that do not open it; what is read is checked against it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

__all__ = ["CONFIG", "WEIGHTS", "config_of", "model_card", "read_hub_folder", "write_hub_folder"]

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_MODEL_TYPE = "cloformer"
_SHOWN = ("epochs", "batch_size", "learning_rate", "warmup_epochs", "weight_decay", "label_smoothing", "mixup",
          "cutmix", "rand_augment", "erasing", "ema", "image_size", "seed")  # fmt: skip


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


def write_hub_folder(checkpoint: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Path:
    """Write the three files beside one another; ``folder`` is new or empty.

    Raises :class:`CheckpointError` for a checkpoint that does not say how it was trained, :class:`OSError` if the
    place cannot be written, and :class:`FileExistsError` if there is something in it.
    """
    from .checkpoint import CheckpointError, read_checkpoint

    path, folder = Path(checkpoint), Path(folder)
    found = read_checkpoint(path)
    try:
        config = config_of(found.metadata)
        card = "\n".join(model_card(found.metadata)) + "\n"
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint {path} does not say how it was trained ({error})",
            "give one that `cloformer train` wrote",
        ) from None
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as staging:
        whole = Path(staging) / "folder"
        whole.mkdir()
        (whole / WEIGHTS).write_bytes(path.read_bytes())
        (whole / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")
        (whole / CARD).write_text(card, "utf-8")
        if folder.exists():
            folder.rmdir()
        whole.rename(folder)
    return folder


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


def model_card(metadata: Mapping[str, str]) -> Iterator[str]:
    """What it is, how it was trained, how good it is and on how many images, and how to use it; in Markdown."""
    scores, recipe = json.loads(metadata["scores"]), json.loads(metadata["recipe"])
    labels, rule = json.loads(metadata["labels"]), json.loads(metadata["preprocessing"])
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
    yield from ["", "The images scored are those that were validated on after every epoch.", "", "## Use", ""]
    yield from ["```sh", "pip install cloformer"]
    yield f"cloformer export --weights {WEIGHTS} --format onnx --format coreml"
    yield from [
        "```",
        "",
        "```python",
        "import cloformer",
        f'model = cloformer.create_model(weights="{WEIGHTS}")',
    ]
    yield from ["```", "", "## Training", "", f"`cloformer train` {metadata['cloformer']}, with", ""]
    yield from ["| setting | value |", "| --- | --- |"]
    yield from (f"| {name} | {recipe[name]} |" for name in _SHOWN)
