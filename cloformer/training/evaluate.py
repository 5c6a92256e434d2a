"""How often models are right on labelled images: checkpoints and other models in PyTorch, and artifacts in the runtime they are
for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cloformer.checkpoint import load_checkpoint
from cloformer.errors import InputError, UnsupportedError
from cloformer.export.artifact.folder import Artifact, is_artifact, read_artifact
from cloformer.export.formats.runners import RUNNERS, RunnerOptions, default_runner, open_model
from cloformer.export.source.images import Unreadable, attempts, refuse_none
from cloformer.export.source.libraries.asked import names_a_library
from cloformer.export.source.named import names_a_module
from cloformer.export.source.preprocessing import Preprocessing, as_planes
from cloformer.export.source.resolve import SourceRequest, resolve
from cloformer.export.source.returned import as_tensors
from cloformer.export.source.trained import training_of
from cloformer.io.progress import Progress, Stage, part
from cloformer.io.words import count

from .augment import seed_of
from .data import Dataset
from .scores import Scores, counted, interval, scores_of

__all__ = ["Evaluation", "evaluate", "names_a_model"]

_BATCH = 64
_TRAINS_ONE = (
    "cloformer train --data FOLDER --output runs/new --recipe finetune --weights fashion-mnist makes one"
)
_NONE = RunnerOptions()
_TINY = 1e-38  # of a probability whose logarithm is taken


@dataclass(frozen=True)
class Evaluation:
    """One subject's scores; ``agreement`` is the share of images on which its first guess is the reference's, None
    without a reference. ``unreadable`` are images that are in none of the figures. ``format`` is an artifact's, None of what
    runs in PyTorch."""

    subject: str
    runs_in: str
    scores: Scores
    agreement: float | None
    unreadable: tuple[Unreadable, ...] = ()
    format: str | None = None

    def to_json(self) -> dict[str, object]:
        agreement = self.agreement
        return {
            "subject": self.subject,
            "runs_in": self.runs_in,
            **self.scores.to_json(),
            "agreement": agreement,
            "agreement_interval": None
            if agreement is None
            else list(interval(agreement, self.scores.images)),
            "unreadable": [item.to_json() for item in self.unreadable],
        }


@dataclass(frozen=True)
class _Subject:
    """``classify`` takes cropped pixels (N, height, width, 3) as ``rule`` gives them, and returns logits (N, K)."""

    name: str
    runs_in: str
    rule: Preprocessing
    labels: Sequence[str] | None
    classify: Callable[[npt.NDArray[np.uint8]], Tensor]
    format: str | None = None  # None of what runs in PyTorch


def evaluate(
    subjects: Sequence[Path],
    data: Dataset,
    *,
    reference: Path | None = None,
    limit: int | None = None,
    options: RunnerOptions = _NONE,
    progress: Progress = lambda _: None,
) -> Iterator[Evaluation]:
    """Each subject's scores on the validation images, or on ``limit`` of them, the same for all.

    Without ``reference``, the first subject that is no artifact is what the others are to agree with. Raises
    :class:`InputError` for a subject that cannot be read or has other classes than the data, and
    :class:`UnsupportedError` for an artifact that is no classifier of images, before anything is run.
    """
    if reference is None:
        reference = next((path for path in subjects if not is_artifact(path)), None)
    chosen = _chosen(len(data.val.labels), limit)
    guesses: dict[Path, dict[int, int]] = {}
    paths = dict.fromkeys((*([reference] if reference else []), *subjects))
    with ExitStack() as opened:
        found = {path: opened.enter_context(_opened(path, data, options)) for path in paths}
        for number, (path, subject) in enumerate(found.items()):
            along = part(progress, number / len(found), (number + 1) / len(found))
            sums, guesses[path], unreadable = _run(subject, data, chosen, along)
            if path in subjects:
                agreed = None
                if reference is not None and path != reference:
                    agreed = _agreement(guesses[path], guesses[reference])
                yield Evaluation(
                    subject.name, subject.runs_in, scores_of(sums), agreed, tuple(unreadable), subject.format
                )


def _chosen(count: int, limit: int | None) -> list[int]:
    """All images, or some of them drawn once and for all."""
    if limit is None or limit >= count:
        return list(range(count))
    draw = np.random.Generator(np.random.PCG64(seed_of(count)))
    return sorted(draw.permutation(count)[:limit].tolist())


def _run(
    subject: _Subject, data: Dataset, chosen: Sequence[int], progress: Progress
) -> tuple[Tensor, dict[int, int], list[Unreadable]]:
    """The sums of what is counted; the first guess on each image by its number, and the images that cannot be read.
    The first one's error is raised where none can."""
    place = _places(subject, data)
    sums = torch.zeros(4, dtype=torch.float64)
    guesses: dict[int, int] = {}
    unreadable: list[Unreadable] = []

    def read(index: int) -> tuple[int, npt.NDArray[np.uint8]]:
        return index, subject.rule.crop_image(data.val.load(index))

    for start in range(0, len(chosen), _BATCH):
        found = list(attempts(chosen[start : start + _BATCH], read, data.val.where))
        unreadable += [item for item in found if isinstance(item, Unreadable)]
        cropped: dict[int, npt.NDArray[np.uint8]] = dict(
            item for item in found if not isinstance(item, Unreadable)
        )
        if cropped:
            logits_BK = subject.classify(np.stack(list(cropped.values())))[:, place]
            sums += counted(logits_BK, torch.tensor([data.val.labels[index] for index in cropped]))
            guesses |= dict(zip(cropped, logits_BK.argmax(1).tolist(), strict=True))
        told = start // (16 * _BATCH) * 16 * _BATCH
        where = f"{subject.name}: {count(chosen, 'image')} in {subject.runs_in}"
        progress(Stage(f"{where}, {told} done" if told else where, start / len(chosen)))
    if not guesses:
        refuse_none(unreadable)
    return sums, guesses, unreadable


def _agreement(guesses: Mapping[int, int], reference: Mapping[int, int]) -> float | None:
    """The share of equal ones, of the images that both have seen; None if there is none."""
    both = guesses.keys() & reference.keys()
    return sum(guesses[index] == reference[index] for index in both) / len(both) if both else None


def _places(subject: _Subject, data: Dataset) -> list[int]:
    """Which of the subject's classes each of the data's is: by name, or by number where one side has no names. Of a name
    that both have several times, the first is the first."""
    names = subject.labels
    if names is None or not data.named:
        return list(range(len(data.classes)))
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        places.setdefault(name, []).append(number)
    return [places[name].pop(0) for name in data.classes]


def _check_classes(subject: _Subject, classes: int, data: Dataset) -> _Subject:
    if subject.labels is not None and data.named:
        known, asked = Counter(subject.labels), Counter(data.classes)
        unknown = next((name for name in data.classes if name not in known), None)
        if unknown is not None:
            raise InputError(
                f"{subject.name} does not know the data's class {unknown!r}, but {_some(subject.labels)}",
                f"give a model of these classes; {_TRAINS_ONE}",
            )
        unclear = next((name for name in data.classes if known[name] != asked[name]), None)
        if unclear is not None:
            raise InputError(
                f"{subject.name} has {known[unclear]} classes that are called {unclear!r}, and {data.name} has "
                f"{asked[unclear]}: which is which cannot be told",
                "make the names differ in both",
            )
    elif classes < len(data.classes) or (subject.labels is None and classes != len(data.classes)):
        raise InputError(
            f"{subject.name} has {count(classes, 'class')}, and {data.name} has {len(data.classes)}",
            f"give a model of these classes; {_TRAINS_ONE}",
        )
    return subject


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _opened(path: Path, data: Dataset, options: RunnerOptions) -> AbstractContextManager[_Subject]:
    if is_artifact(path):
        return _artifact(read_artifact(path), data, options)
    if names_a_model(path):
        return _model(str(path), data, options.threads)
    return _checkpoint(path, data, options.threads)


def names_a_model(path: Path) -> bool:
    """Whether it is no file, but names a model of a library, or a factory: ``timm:NAME?pretrained=true``, ``nets.py:build``."""
    word = str(path)
    return names_a_library(word) or (":" in word and names_a_module(word) and not path.exists())


@contextmanager
def _model(reference: str, data: Dataset, threads: int) -> Iterator[_Subject]:
    source = resolve(SourceRequest(model=reference, option="evaluate"))
    if source.weights.origin == "random":
        raise InputError(
            f"evaluate {reference}: the weights are random, and right by chance",
            "name those that it was trained to, for example 'timm:resnet18?pretrained=true', or a function that loads them",
        )
    rules = list(source.preprocessing.values())
    if len(rules) != 1 or len(source.inputs) != 1:
        raise UnsupportedError(f"{reference} does not take one image alone", "evaluate classifiers of images")
    rule = rules[0]

    def classify(pixels: npt.NDArray[np.uint8]) -> Tensor:
        x_BCHW = torch.from_numpy(np.concatenate([rule.normalize(one) for one in pixels]))
        with torch.no_grad():
            return as_tensors(source.model(x_BCHW))[0]

    planes = len(rule.mean)
    shape = tuple(classify(np.zeros((1, rule.height, rule.width, planes), np.uint8)).shape)
    if len(shape) != 2:
        raise UnsupportedError(
            f"{reference} gives {shape} for an image, and no number for each class",
            "evaluate classifiers of images",
        )
    with _threads(threads):
        yield _check_classes(_Subject(reference, "PyTorch", rule, source.labels, classify), shape[1], data)


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    """PyTorch's, so many; 0: as many as it takes."""
    before = torch.get_num_threads()
    try:
        if threads:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _checkpoint(path: Path, data: Dataset, threads: int) -> Iterator[_Subject]:
    model, checkpoint = load_checkpoint(path)
    trained = training_of(checkpoint.metadata, path)
    size = model.variant.image_size
    rule = trained.preprocessing or Preprocessing.imagenet(size, size)

    def classify(pixels: npt.NDArray[np.uint8]) -> Tensor:
        x_BCHW = torch.from_numpy(np.concatenate([rule.normalize(one) for one in pixels]))
        with torch.inference_mode():
            logits: Tensor = model(x_BCHW)
        return logits

    subject = _Subject(str(path), "PyTorch", rule, trained.labels, classify)
    with _threads(threads):
        yield _check_classes(subject, model.head.out_features, data)


@contextmanager
def _artifact(artifact: Artifact, data: Dataset, options: RunnerOptions) -> Iterator[_Subject]:
    classifier = artifact.function.classifier
    if classifier is None:
        raise UnsupportedError(
            f"{artifact.folder} does not classify one image",
            "`cloformer inspect` says what goes in and comes out",
        )
    image, rule, found = classifier.image, classifier.rule, classifier.scores
    size = image.spec.shape[0]

    with open_model(artifact.model, options=options) as runner:

        def classify(pixels: npt.NDArray[np.uint8]) -> Tensor:
            values = [as_planes(one) if image.preprocessing_inside else rule.normalize(one) for one in pixels]
            parts = []
            for start in range(0, len(values), size):
                part = values[start : start + size]
                full = np.concatenate([*part, *part[-1:] * (size - len(part))])
                parts.append(runner.run({image.spec.name: full})[found.spec.name][: len(part)])
            scores = torch.from_numpy(np.concatenate(parts)).double()
            return scores if found.postprocessing == "softmax" else torch.log(scores.clamp_min(_TINY))

        title = RUNNERS[default_runner(artifact.format)].title
        subject = _Subject(str(artifact.folder), title, rule, artifact.labels, classify, artifact.format)
        yield _check_classes(subject, classifier.classes, data)
