"""What a worker times: an artifact on its runtime, or the model that it was exported from, in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cloformer.errors import UsageError

from ..artifact.folder import Artifact
from ..formats.runners import Array, RunnerOptions, TimedRunner, open_model
from ..reference.cases import Inputs
from ..source.preprocessing import Preprocessing, load_image
from .candidates import CANDIDATES, CandidateRow

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import nn

__all__ = ["Subject", "classes_images", "fed_from", "open_subject", "top_class"]

Call = Callable[[], object]


class Subject(Protocol):
    """How a candidate is loaded and called. ``inputs`` are there after :meth:`load`."""

    @property
    def inputs(self) -> Inputs: ...

    def check(self) -> None: ...

    def load(self) -> None: ...

    def prepare(self, fed: Mapping[str, Array]) -> Call: ...


def open_subject(
    artifact: Artifact, runner: str, threads: int, model: str | None, weights: Path | None
) -> Subject:
    """The subject, its runtime imported and nothing loaded. Raises the errors of :mod:`..errors`."""
    row = CANDIDATES[runner]
    if row.runner is None:
        return _Eager(artifact, threads, model, weights)
    return _Exported(artifact, row.runner, _options(row, threads))


def _options(row: CandidateRow, threads: int) -> RunnerOptions:
    """Without a limit on the model's work: who started the worker has looked at that."""
    return replace(RunnerOptions(threads=threads, max_work=None), **row.options)  # type: ignore[arg-type]


class _Exported:
    def __init__(self, artifact: Artifact, runner: str, options: RunnerOptions) -> None:
        opened = open_model(artifact.model, runner, options)
        assert isinstance(opened, TimedRunner), runner
        self._runner = opened
        self.inputs = Inputs.of(artifact.function)
        self.check, self.load, self.prepare = opened.check, opened.load, opened.prepare


class _Eager:
    """The untouched model in float32. Loading it is making the module, reading its weights, and running it to see what it
    takes and returns; nobody is told how long that takes."""

    inputs: Inputs

    def __init__(self, artifact: Artifact, threads: int, model: str | None, weights: Path | None) -> None:
        import torch

        torch.set_num_threads(threads)
        self._given = artifact, model, weights
        self._model: nn.Module | None = None

    def check(self) -> None:
        """Nothing: the user named the module, or it is a built-in one."""

    def load(self) -> None:
        from ..artifact.rebuild import rebuild

        artifact, model, weights = self._given
        source = rebuild(artifact, model=model, weights=weights)
        if source is None:
            raise UsageError("the model is not given", "add --weights or --model")
        self._model = source.model.float().eval()
        self.inputs = Inputs.of_source(source)

    def prepare(self, fed: Mapping[str, Array]) -> Call:
        import torch

        assert self._model is not None, "load first"
        model, tensors = self._model, [torch.from_numpy(fed[spec.name]) for spec in self.inputs.specs]

        def call() -> object:
            with torch.no_grad():
                return model(*tensors)

        return call


def fed_from(photograph: Path, inputs: Inputs) -> dict[str, Array]:
    """A photograph as the model takes it: decoded, resized, cropped, and normalized unless the model does."""
    image = load_image(photograph)
    return {
        spec.name: np.ascontiguousarray(
            np.broadcast_to(
                _as_input(inputs.preprocessing[spec.name], inputs.inside[spec.name], image), spec.shape
            ),
            dtype=spec.dtype,
        )
        for spec in inputs.specs
    }


def _as_input(rule: Preprocessing, normalizes_inside: bool, image: Image) -> Array:
    pixels_HWC = rule.crop_image(image)
    if not normalizes_inside:
        return rule.normalize(pixels_HWC)
    pixels: Array = pixels_HWC.transpose(2, 0, 1)[None]
    return pixels


def classes_images(artifact: Artifact) -> bool:
    """Whether there is a first class to find for a photograph."""
    return artifact.function.classifier is not None


def top_class(outputs: object, name: str) -> object:
    """The first class in what a runtime gave: a list of arrays, arrays or dictionaries by name, or a tensor."""
    value = outputs.get(name, next(iter(outputs.values()))) if isinstance(outputs, dict) else outputs
    while isinstance(value, (list, tuple)):
        value = value[0]
    if isinstance(value, dict):  # Core ML's probabilities by label
        return max(value, key=lambda label: float(value[label]))
    return int(np.asarray(value).argmax())
