"""How often models are right on images, and how far they are from the model as it was trained.

All see the same images, a batch at a time, each prepared as the model asks. What a model has lost beside the reference needs no
labels: the share of images with the same first class, and the signal-to-noise ratio of what it gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cloformer.errors import UsageError
from cloformer.export.accuracy.classes import places_of, refuse_other_classes
from cloformer.export.accuracy.judged import Judged
from cloformer.export.accuracy.scores import Scores, counted, scores_of
from cloformer.export.artifact.folder import is_artifact
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.source.images import Unreadable, attempts, refuse_none
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.resolve import SourceRequest
from cloformer.export.source.spec import ModelSpec
from cloformer.io.progress import Progress, Stage
from cloformer.io.words import count

from .augment import seed_of
from .beside import Against, Comparison, order_of
from .subjects import Pixels, Subject, names_a_model, opened, request_of

__all__ = ["Evaluation", "chosen", "evaluate", "refuse_a_guess"]

_BATCH = 64
_NONE = RunnerOptions()


@dataclass(frozen=True)
class Evaluation:
    """What was found of one subject on ``images``. ``scores`` are None without labels, ``against`` without a reference, for the
    reference itself, and of a subject with other classes. ``unreadable`` are images that are in none of the figures. The rest is
    as :class:`.subjects.Subject` has it."""

    subject: str
    runs_in: str
    images: int
    scores: Scores | None
    against: Against | None
    is_reference: bool = False
    unreadable: tuple[Unreadable, ...] = ()
    bytes: int | None = None
    format: str | None = None
    precision: str | None = None
    manifest_sha256: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def agreement(self) -> float | None:
        """The share of images on which the first class is the reference's."""
        return None if self.against is None else self.against.agreement

    def to_json(self) -> dict[str, object]:
        own = (
            "subject", "runs_in", "format", "precision", "manifest_sha256", "bytes", "images", "is_reference",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in own},
            **(Scores.nothing() if self.scores is None else self.scores.to_json()),
            **(Against.nothing() if self.against is None else self.against.to_json()),
            "notes": list(self.notes),
            "unreadable": [item.to_json() for item in self.unreadable],
        }


def evaluate(
    subjects: Sequence[Path],
    data: Judged,
    *,
    reference: Path | SourceRequest | None = None,
    spec: ModelSpec | None = None,
    limit: int | None = None,
    options: RunnerOptions = _NONE,
    progress: Progress = lambda _: None,
) -> list[Evaluation]:
    """What is found of each subject on the images, or on ``limit`` of them, the same for all.

    Without ``reference``, the first subject that is no artifact is what the others are held to. ``spec`` is
    of the subjects that are networks. Raises
    :class:`InputError` for a subject that cannot be read or has other classes than the data, and
    :class:`UnsupportedError` for an artifact that is no classifier of images, before anything is run.
    """
    if reference is None:
        reference = next((path for path in subjects if not is_artifact(path)), None)
    with ExitStack() as stack:

        def ready(asked: Path | SourceRequest) -> Subject:
            if isinstance(asked, Path) and names_a_model(asked):
                asked = request_of(str(asked), None, subjects, spec, option="evaluate")
            subject = stack.enter_context(opened(asked, options))
            refuse_other_classes(subject, data)
            return subject

        alone = None if reference is None or reference in subjects else ready(reference)
        found = {path: ready(path) for path in dict.fromkeys(subjects)}
        held = found.get(reference) if isinstance(reference, Path) and alone is None else alone
        if held is not None:
            refuse_a_guess(held, list(found.values()))
        trials = {path: _Trial(subject, held, data) for path, subject in found.items()}
        running = [*([] if alone is None else [alone]), *found.values()]
        unreadable: list[Unreadable] = []
        for images, crops in _batches(data, limit, [item.rule for item in running], unreadable, progress):
            given = {subject: subject.classify(crops[subject.rule]) for subject in running}
            for trial in trials.values():
                trial.add(images, given)
    return [trials[path].evaluation(tuple(unreadable)) for path in subjects]


class _Trial:
    """A subject's figures, batch by batch."""

    def __init__(self, subject: Subject, reference: Subject | None, data: Judged) -> None:
        self._subject, self._data = subject, data
        self._places = places_of(subject, data)
        self._sums = torch.zeros(4, dtype=torch.float64)
        self._images = 0
        self._is_reference = reference is subject
        self._reference = reference
        self._beside: Comparison | None = None
        if reference is not None and not self._is_reference:
            order = order_of(subject, reference)
            if order is not None:
                self._beside = Comparison(reference.name, order, subject.gives, _names(subject, data))

    def add(self, images: Sequence[int], given: Mapping[Subject, Tensor]) -> None:
        """What every subject gave for these images."""
        logits_BK, labels_B = given[self._subject], None
        self._images += len(images)
        if self._data.labels is not None:
            labels_B = torch.tensor([self._places[self._data.labels[image]] for image in images])
            self._sums += counted(logits_BK, labels_B)
        if self._beside is not None:
            assert self._reference is not None  # or there is nothing to stand beside
            where = [self._data.images.where(image) for image in images]
            self._beside.add(where, logits_BK, given[self._reference], labels_B)

    def evaluation(self, unreadable: tuple[Unreadable, ...]) -> Evaluation:
        subject = self._subject
        return Evaluation(
            subject.name, subject.runs_in, self._images,
            None if self._data.labels is None else scores_of(self._sums),
            None if self._beside is None else self._beside.result(),
            self._is_reference, unreadable, subject.bytes, subject.format, subject.precision, subject.manifest_sha256,
            subject.notes,
        )  # fmt: skip


def _batches(
    data: Judged,
    limit: int | None,
    rules: Sequence[Preprocessing],
    unreadable: list[Unreadable],
    progress: Progress,
) -> Iterator[tuple[list[int], dict[Preprocessing, Pixels]]]:
    """The numbers of some images, and these images as each rule prepares them; each image is decoded once. Those that cannot be
    read are added to ``unreadable``, and the first one's error is raised where none can."""
    numbers = chosen(data.count, limit)
    asked = dict.fromkeys(rules)

    def read(index: int) -> tuple[int, dict[Preprocessing, Pixels]]:
        image = data.images.load(index)
        return index, {rule: rule.crop_image(image) for rule in asked}

    were_read = 0
    for start in range(0, len(numbers), _BATCH):
        done = f", {start} done" if start else ""
        progress(Stage(f"{data.name}: {count(numbers, 'image')}{done}", start / len(numbers)))
        read_now: list[tuple[int, dict[Preprocessing, Pixels]]] = []
        for item in attempts(numbers[start : start + _BATCH], read, data.images.where):
            if isinstance(item, Unreadable):
                unreadable.append(item)
            else:
                read_now.append(item)
        if read_now:
            yield (
                [index for index, _ in read_now],
                {rule: np.stack([crops[rule] for _, crops in read_now]) for rule in asked},
            )
        were_read += len(read_now)
    if not were_read:
        refuse_none(unreadable)


def chosen(number: int, limit: int | None) -> list[int]:
    """All images, or some of them drawn once and for all."""
    if limit is None or limit >= number:
        return list(range(number))
    draw = np.random.Generator(np.random.PCG64(seed_of(number)))
    return sorted(draw.permutation(number)[:limit].tolist())


def _names(subject: Subject, data: Judged) -> Sequence[str] | None:
    """What the subject's classes are called; the data's names where these are as many."""
    if subject.labels is not None:
        return subject.labels
    return data.classes if data.classes is not None and len(data.classes) == subject.classes else None


class _Fed(Protocol):
    """What is fed with images, and what nobody says of how."""

    @property
    def name(self) -> str: ...
    @property
    def rule(self) -> Preprocessing: ...
    @property
    def guessed(self) -> tuple[str, ...]: ...


def refuse_a_guess(reference: _Fed, subjects: Sequence[_Fed]) -> None:
    """What nobody says of how the reference is fed is not held against models that are fed in another way: :class:`UsageError`."""
    for subject in subjects:
        if any(getattr(subject.rule, name) != getattr(reference.rule, name) for name in reference.guessed):
            raise UsageError(
                f"nobody says how {reference.name} is fed (as ImageNet's networks?), and {subject.name} is fed in another way",
                "give the --spec of the export",
            )
