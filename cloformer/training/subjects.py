"""What can be judged on images: checkpoints and other models in PyTorch, and artifacts in the runtime they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cloformer.checkpoint import load_checkpoint
from cloformer.errors import InputError, UnsupportedError, UsageError
from cloformer.export.artifact.folder import MANIFEST, Artifact, is_artifact, read_artifact
from cloformer.export.formats.runners import RUNNERS, Noting, RunnerOptions, default_runner, open_model
from cloformer.export.source.attempt import untouched
from cloformer.export.source.libraries.asked import names_a_library
from cloformer.export.source.named import names_a_module
from cloformer.export.source.preprocessing import Preprocessing, as_planes
from cloformer.export.source.resolve import SourceRequest, resolve
from cloformer.export.source.returned import as_tensors
from cloformer.export.source.spec import ModelSpec, read_spec
from cloformer.export.source.trained import training_of
from cloformer.hub import WEIGHTS
from cloformer.io.read import sha256_of
from cloformer.weights import find_weights

__all__ = [
    "Pixels",
    "Subject",
    "bytes_of",
    "guessed_of",
    "names_a_model",
    "opened",
    "reference_of",
    "request_of",
    "spec_of",
    "with_threads",
]

_RULE = tuple(field.name for field in fields(Preprocessing))
_TINY = 1e-38  # of a probability whose logarithm is taken

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Subject:
    """``classify`` takes cropped pixels (N, height, width, 3) as ``rule`` gives them, and returns logits (N, ``classes``): of what
    ``gives`` "probabilities", their logarithms. ``bytes`` are the model's files', None of a model without a file of its own.
    ``format``, ``precision`` and ``manifest_sha256`` are an artifact's, None of what runs in PyTorch, and ``notes`` say how its
    runtime runs it here. ``guessed`` are the
    fields of ``rule`` that nobody says, and that are ImageNet's."""

    name: str
    runs_in: str
    rule: Preprocessing
    labels: Sequence[str] | None
    classes: int
    classify: Callable[[Pixels], Tensor]
    gives: str = "logits"
    bytes: int | None = None
    format: str | None = None
    precision: str | None = None
    manifest_sha256: str | None = None
    guessed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def names_a_model(path: Path) -> bool:
    """Whether it is no file, but names a model of a library, or a factory: ``timm:NAME?pretrained=true``, ``nets.py:build``."""
    word = str(path)
    return names_a_library(word) or (":" in word and names_a_module(word) and not path.exists())


def spec_of(
    subjects: Sequence[Path], model: str | None, weights: Path | None, path: Path | None
) -> ModelSpec | None:
    """What ``--spec`` says of the reference, or of the subjects that are networks. :class:`UsageError` where there is neither."""
    if path is None:
        return None
    if model is None and weights is None and not any(map(names_a_model, subjects)):
        raise UsageError(
            "--spec says how the reference is fed, and none is given", "add it: --model nets.py:build"
        )
    return read_spec(path)


def reference_of(
    subjects: Sequence[Path], model: str | None, weights: Path | None, spec: ModelSpec | None
) -> Path | SourceRequest | None:
    """What is asked for as the reference; None if nothing is. ``spec`` is of it, or where there is none of the subjects that are
    networks."""
    if model is None and weights is not None and names_a_model(weights) and weights not in subjects:
        model, weights = str(weights), None
    if model is None and weights is None:
        return None
    if spec is None and model is None:
        return weights
    return request_of(model, weights, subjects, spec, option="--model")


def request_of(
    model: str | None, weights: Path | None, subjects: Sequence[Path], spec: ModelSpec | None, *, option: str
) -> SourceRequest:
    """A network as it is evaluated: one that nobody says the input of is fed as the first artifact among ``subjects`` is."""
    given, size = spec or ModelSpec(), None
    if model is not None and not given.declared and not names_a_library(model) and names_a_module(model):
        taken = (
            read_artifact(path).function.inputs[0].preprocessing for path in subjects if is_artifact(path)
        )
        size = next(((rule.height, rule.width) for rule in taken if rule is not None), None)
    return SourceRequest(model=model, weights=weights, image_size=size, spec=given, option=option)


def opened(asked: Path | SourceRequest, options: RunnerOptions) -> AbstractContextManager[Subject]:
    """What is asked for, ready to run. Raises :class:`InputError` for what cannot be read, and :class:`UnsupportedError` for what is
    no classifier of images."""
    if isinstance(asked, SourceRequest):
        return _model(asked, options.threads)
    if is_artifact(asked):
        return _artifact(read_artifact(asked), options)
    return _checkpoint(asked, options.threads)


def guessed_of(request: SourceRequest, rule: Preprocessing) -> tuple[str, ...]:
    """The fields of a network's preprocessing that nobody says: all, or none."""
    is_library = request.model is not None and names_a_library(request.model)
    is_said = request.spec.declared or is_library or rule != Preprocessing.imagenet(rule.height, rule.width)
    return () if is_said else _RULE


@contextmanager
def _model(request: SourceRequest, threads: int) -> Iterator[Subject]:
    source, name = resolve(request), str(request.model or request.weights)
    if source.weights.origin == "random":
        raise InputError(
            f"{request.option} {name}: the weights are random, and right by chance",
            "name those that it was trained to, for example 'timm:resnet18?pretrained=true', or a function that loads them",
        )
    rules = list(source.preprocessing.values())
    if len(rules) != 1 or len(source.inputs) != 1:
        raise UnsupportedError(f"{name} does not take one image alone", "evaluate classifiers of images")
    rule = rules[0]

    def classify(pixels: Pixels) -> Tensor:
        # One at a time, as the model is exported: some cannot take several.
        with untouched(source.model):
            found = [as_tensors(source.model(torch.from_numpy(rule.normalize(one))))[0] for one in pixels]
        return torch.cat(found)

    shape = tuple(classify(np.zeros((1, rule.height, rule.width, len(rule.mean)), np.uint8)).shape)
    if len(shape) != 2:
        raise UnsupportedError(
            f"{name} gives {shape} for an image, and no number for each class",
            "evaluate classifiers of images",
        )
    with with_threads(threads):
        size = None if request.weights is None else bytes_of(request.weights)
        guessed = guessed_of(request, rule)
        yield Subject(name, "PyTorch", rule, source.labels, shape[1], classify, bytes=size, guessed=guessed)


@contextmanager
def with_threads(threads: int) -> Iterator[None]:
    """PyTorch's, so many; 0: as many as it takes."""
    before = torch.get_num_threads()
    try:
        if threads:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _checkpoint(path: Path, threads: int) -> Iterator[Subject]:
    model, checkpoint = load_checkpoint(path)
    trained = training_of(checkpoint.metadata, path)
    size = model.variant.image_size
    rule = trained.preprocessing or Preprocessing.imagenet(size, size)

    def classify(pixels: Pixels) -> Tensor:
        x_BCHW = torch.from_numpy(np.concatenate([rule.normalize(one) for one in pixels]))
        with torch.inference_mode():
            logits: Tensor = model(x_BCHW)
        return logits

    with with_threads(threads):
        classes = model.head.out_features
        yield Subject(str(path), "PyTorch", rule, trained.labels, classes, classify, bytes=bytes_of(path))


def bytes_of(weights: Path) -> int:
    """Bytes of a checkpoint's file."""
    found = find_weights(weights)
    return (found / WEIGHTS if found.is_dir() else found).stat().st_size


@contextmanager
def _artifact(artifact: Artifact, options: RunnerOptions) -> Iterator[Subject]:
    classifier = artifact.function.classifier
    if classifier is None:
        raise UnsupportedError(
            f"{artifact.folder} does not classify one image",
            "`cloformer inspect` says what goes in and comes out; if it gives scores of classes, export it with their names: "
            "--labels names.txt",
        )
    image, rule, found = classifier.image, classifier.rule, classifier.scores
    size = image.spec.shape[0]
    gives = "logits" if found.postprocessing == "softmax" else "probabilities"

    with open_model(artifact.model, options=options) as runner:

        def classify(pixels: Pixels) -> Tensor:
            values = [as_planes(one) if image.preprocessing_inside else rule.normalize(one) for one in pixels]
            parts = []
            for start in range(0, len(values), size):
                part = values[start : start + size]
                full = np.concatenate([*part, *part[-1:] * (size - len(part))])
                parts.append(
                    runner.run({image.spec.name: full.astype(image.spec.dtype)})[found.spec.name][: len(part)]
                )
            scores = torch.from_numpy(np.concatenate(parts)).double()
            return scores if gives == "logits" else torch.log(scores.clamp_min(_TINY))

        yield Subject(
            str(artifact.folder), RUNNERS[default_runner(artifact.format)].title, rule, artifact.labels,
            classifier.classes, classify, gives, artifact.manifest.model_bytes, artifact.format,
            artifact.manifest.precision.name, sha256_of(artifact.folder / MANIFEST),
            notes=runner.notes if isinstance(runner, Noting) else (),
        )  # fmt: skip
