"""What an artifact says about photographs, fed by its own manifest."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cloformer.errors import UnsupportedError
from cloformer.io.write import write_whole

from ..formats.runners import Array, RunnerOptions, open_model
from ..source.function import Input, Output
from ..source.images import Unreadable, attempts, refuse_none
from ..source.placement import Placement
from ..source.postprocessing import softmax
from ..source.preprocessing import Preprocessing, as_planes, load_image
from ..source.signature import TensorSpec
from .folder import Artifact
from .seen import Seen, seen_of

__all__ = ["Guess", "Head", "Prediction", "free_name", "predict", "save_outputs"]

_LONGEST_NAME = 100  # characters of a folder for what one image gave


@dataclass(frozen=True)
class Guess:
    """A class: its index, its name if the artifact has labels, its probability."""

    index: int
    label: str | None
    probability: float


@dataclass(frozen=True)
class Head:
    """One output for one image: as it came, and the most probable classes, most probable first, if it is scores of
    classes."""

    spec: TensorSpec
    value: Array
    top: tuple[Guess, ...] | None

    @property
    def range(self) -> tuple[float, float, float]:
        """The least, the mean and the largest number."""
        numbers = self.value.astype(np.float64)
        return float(numbers.min()), float(numbers.mean()), float(numbers.max())

    def to_json(self) -> dict[str, object]:
        least, mean, most = (number if math.isfinite(number) else None for number in self.range)
        return {
            "name": self.spec.name, "shape": list(self.spec.shape), "dtype": self.spec.dtype, "role": self.spec.role,
            "min": least, "mean": mean, "max": most,
            "top": None if self.top is None else _guesses(self.top),
        }  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """All outputs for one image, and what those with a role say of it."""

    image: str
    heads: tuple[Head, ...]
    seen: Seen = field(default_factory=Seen)

    @property
    def top(self) -> tuple[Guess, ...]:
        """The most probable classes of the first output that has classes."""
        return next((head.top for head in self.heads if head.top is not None), ())

    def to_json(self) -> dict[str, object]:
        return {
            "image": self.image,
            "top": _guesses(self.top),
            "outputs": [head.to_json() for head in self.heads],
            **self.seen.to_json(),
        }


def predict(
    artifact: Artifact,
    images: Sequence[Path],
    *,
    top: int = 5,
    min_score: float = 0.3,
    options: RunnerOptions | None = None,
) -> Iterator[Prediction | Unreadable]:
    """What the artifact gives for each image, one at a time, with the ``top`` classes of every output that has classes, and boxes
    of a score of ``min_score`` at least.

    An image that cannot be read does not stop the others; where none can, the first one's error is raised. Raises
    :class:`UnsupportedError` if the artifact takes something else than one image, and :class:`MissingRuntimeError` if it
    cannot run here.
    """
    image, rule = _image_of(artifact)
    unreadable: list[Unreadable] = []

    def read(path: Path) -> tuple[str, Array, Placement]:
        photograph = load_image(path)
        return str(path), rule.crop_image(photograph), rule.placement(*photograph.size)

    with open_model(artifact.model, options=options) as runner:
        for found in attempts(images, read):
            if isinstance(found, Unreadable):
                unreadable.append(found)
                if len(unreadable) == len(images):
                    refuse_none(unreadable)
                yield found
                continue
            name, pixels, placed = found
            value = as_planes(pixels) if image.preprocessing_inside else rule.normalize(pixels)
            given = runner.run(
                {image.spec.name: np.broadcast_to(value, image.spec.shape).astype(image.spec.dtype)}
            )
            heads = [
                _head(output, given[output.spec.name], artifact, top) for output in artifact.function.outputs
            ]
            seen = seen_of(
                artifact.function.outputs,
                given,
                placed,
                (rule.height, rule.width),
                artifact.labels,
                min_score=min_score,
                is_suppressed=artifact.manifest.request.decoding.suppression is not None,
            )
            yield Prediction(name, tuple(heads), seen)


def free_name(image: str, taken: set[str]) -> str:
    """A name for what comes of an image: its own, with a number where that is ``taken``, to which it is added."""
    stem = Path(image).stem.strip(". ")[:_LONGEST_NAME] or "image"
    name, number = stem, 1
    while name.casefold() in taken:  # as file systems compare that know no capitals
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return name


def save_outputs(prediction: Prediction, folder: Path, taken: set[str]) -> Path:
    """Write every output, as the model gave it, as ``NAME.npy`` into a folder below ``folder`` that is called as the image
    is (:func:`free_name`). :class:`InputError` if that cannot be written."""
    name = free_name(prediction.image, taken)
    for head in prediction.heads:
        content = io.BytesIO()
        np.save(content, head.value, allow_pickle=False)
        write_whole(folder / name / f"{head.spec.name}.npy", content.getvalue(), "choose another --save")
    return folder / name


def _image_of(artifact: Artifact) -> tuple[Input, Preprocessing]:
    """The one input, if it is an image."""
    first, *others = artifact.function.inputs
    if others or first.preprocessing is None:
        taken = ", ".join(
            f"{item.spec.name} {item.spec.dtype} {list(item.spec.shape)} ({item.spec.role})"
            for item in artifact.function.inputs
        )
        raise UnsupportedError(
            f"{artifact.folder} takes {taken}, and a photograph is one image alone",
            f"run {artifact.manifest.model.path} with arrays of these shapes in its own runtime; conformance.safetensors "
            "beside it holds some, with what comes of them",
            "`cloformer parity` compares it with the PyTorch model on such arrays",
        )
    return first, first.preprocessing


def _head(output: Output, value: Array, artifact: Artifact, top: int) -> Head:
    """Of a batch, which is the same image again and again, the first row's classes."""
    spec = output.spec
    if spec.role not in ("logits", "probabilities") or len(spec.shape) != 2:
        return Head(spec, value, None)
    row = value[0].astype(np.float64)
    probabilities = softmax(row) if output.postprocessing == "softmax" else row
    return Head(spec, value, _ranked(probabilities, artifact.labels if output.labels else None, top))


def _ranked(probabilities: Array, labels: Sequence[str] | None, top: int) -> tuple[Guess, ...]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Guess(int(i), labels[int(i)] if labels else None, float(probabilities[i])) for i in order)


def _guesses(top: Sequence[Guess]) -> list[dict[str, object]]:
    return [{"class": guess.index, "label": guess.label, "probability": guess.probability} for guess in top]
