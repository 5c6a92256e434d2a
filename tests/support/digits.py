"""scikit-learn's digits as a data set on disk, and what a model card says of a training."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

__all__ = ["QUICK", "asked_by", "write_digits"]

# Settings that teach the digits to the smallest network in a minute.
QUICK = (
    "image_size=32",
    "resize_size=32",
    "batch_size=64",
    "flip=0",
    "crop_area=0.8",
    "ema=0.98",
    "learning_rate=0.01",
)


def write_digits(path: Path, train: int | None = None, val: int | None = None) -> Path:
    """All 1797 images, or the first ``train`` and the last ``val``; a fifth is for validation."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels, labels = (digits.images * 15.9375).astype(np.uint8), digits.target
    cut = len(labels) * 4 // 5
    first, last = slice(0, cut if train is None else train), slice(cut, None if val is None else cut + val)
    np.savez(
        path,
        train_images=pixels[first],
        train_labels=labels[first],
        val_images=pixels[last],
        val_labels=labels[last],
    )
    return path


def asked_by(card: str) -> list[str]:
    """The words after ``cloformer`` of the card's command that trains again."""
    command = card.split("## Training")[1].split("```sh\n")[1].split("```")[0]
    program, *words = shlex.split(command.replace("\\\n", " "))
    assert program == "cloformer"
    return words
