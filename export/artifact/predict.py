"""What an artifact says about photographs, fed by its own manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cloformer.errors import UnsupportedError

from ..formats.runners import Array, open_artifact
from ..source.postprocessing import softmax
from ..source.preprocessing import Preprocessing, load_image
from .folder import Artifact

__all__ = ["Guess", "Prediction", "as_planes", "predict"]


@dataclass(frozen=True)
class Guess:
    """A class: its index, its name if the artifact has labels, its probability."""

    index: int
    label: str | None
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image, most probable first."""

    image: str
    top: tuple[Guess, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "image": self.image,
            "top": [{"class": g.index, "label": g.label, "probability": g.probability} for g in self.top],
        }


def predict(
    artifact: Artifact, images: Sequence[Path], *, top: int = 5, threads: int = 0
) -> Iterator[Prediction]:
    """The ``top`` classes of each image, one image at a time.

    Every image is decoded before the first is run, so that a bad one costs nothing. Raises
    :class:`UnsupportedError` if the artifact is not a classifier of one image,
    :class:`MissingRuntimeError` if it cannot run here, :class:`InputError` for a bad image.
    """
    function = artifact.function
    fed, given = function["inputs"], function["outputs"][0]
    if len(fed) != 1 or fed[0]["role"] != "image" or given["role"] not in ("logits", "probabilities"):
        raise UnsupportedError(
            f"{artifact.folder} does not classify one image, so there is nothing to rank",
            "`cloformer inspect` says what goes in and comes out",
        )
    runner = open_artifact(artifact, threads=threads)
    rule = Preprocessing.from_json(fed[0]["preprocessing"])
    pixels = [rule.crop_image(load_image(path)) for path in images]
    labels = artifact.labels()
    with runner:
        for path, cropped in zip(images, pixels, strict=True):
            value = as_planes(cropped) if fed[0]["preprocessing_inside"] else rule.normalize(cropped)
            batch = np.broadcast_to(value, fed[0]["shape"])
            scores = runner.run({fed[0]["name"]: batch.copy()})[given["name"]][0].astype(np.float64)
            probabilities = softmax(scores) if given["postprocessing"] == "softmax" else scores
            yield Prediction(str(path), _ranked(probabilities, labels, top))


def as_planes(pixels_HWC: Array) -> Array:
    """(1, channels, height, width), as a model that normalizes by itself takes it."""
    pixels: Array = pixels_HWC.reshape(*pixels_HWC.shape[:2], -1).transpose(2, 0, 1)[None].astype(np.float32)
    return pixels


def _ranked(probabilities: Array, labels: Sequence[str] | None, top: int) -> tuple[Guess, ...]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Guess(int(i), labels[int(i)] if labels else None, float(probabilities[i])) for i in order)
