"""What an artifact says about photographs, fed by its own manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloformer.errors import UnsupportedError

from ..formats.runners import Array, RunnerOptions, open_model
from ..source.postprocessing import softmax
from ..source.preprocessing import as_planes, load_image
from .folder import Artifact

__all__ = ["Guess", "Prediction", "predict"]


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

    def to_json(self) -> dict[str, object]:
        return {
            "image": self.image,
            "top": [{"class": g.index, "label": g.label, "probability": g.probability} for g in self.top],
        }


def predict(
    artifact: Artifact, images: Sequence[Path], *, top: int = 5, options: RunnerOptions | None = None
) -> Iterator[Prediction]:
    """The ``top`` classes of each image, one image at a time.

    Every image is decoded before the first is run, so that a bad one costs nothing. Raises
    :class:`UnsupportedError` if the artifact is not a classifier of one image,
    :class:`MissingRuntimeError` if it cannot run here, :class:`InputError` for a bad image.
    """
    classifier = artifact.function.classifier
    if classifier is None:
        raise UnsupportedError(
            f"{artifact.folder} does not classify one image, so there is nothing to rank",
            "`cloformer inspect` says what goes in and comes out",
        )
    runner = open_model(artifact.model, options=options)
    image, rule, scores = classifier.image, classifier.rule, classifier.scores
    pixels = [rule.crop_image(load_image(path)) for path in images]
    with runner:
        for path, cropped in zip(images, pixels, strict=True):
            value = as_planes(cropped) if image.preprocessing_inside else rule.normalize(cropped)
            batch = np.broadcast_to(value, image.spec.shape).astype(image.spec.dtype)
            found = runner.run({image.spec.name: batch})[scores.spec.name][0].astype(np.float64)
            probabilities = softmax(found) if scores.postprocessing == "softmax" else found
            yield Prediction(str(path), _ranked(probabilities, artifact.labels, top))


def _ranked(probabilities: Array, labels: Sequence[str] | None, top: int) -> tuple[Guess, ...]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Guess(int(i), labels[int(i)] if labels else None, float(probabilities[i])) for i in order)
