"""How well maps of classes and boxes are found: mean intersection over union, and COCO's average precision.

All see the same photographs, each decoded once and prepared as the model asks. What is judged is what `cloformer predict` tells and
an app shows: maps at the photograph's own size, boxes in its own pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cloformer.export.accuracy.annotated import Annotated
from cloformer.export.accuracy.box_scores import Boxes, BoxScores, refuse_without_pycocotools
from cloformer.export.accuracy.dense_classes import categories_of, refuse_other_numbers
from cloformer.export.accuracy.map_scores import MapCounts, MapScores
from cloformer.export.accuracy.masks import Masked
from cloformer.export.accuracy.resampled import Fall
from cloformer.export.artifact.folder import is_artifact
from cloformer.export.artifact.seen import Seen, shown
from cloformer.export.formats.runners import RunnerOptions
from cloformer.export.source.images import Unreadable, attempts, refuse_none
from cloformer.export.source.placement import Placement
from cloformer.export.source.preprocessing import Preprocessing, load_image
from cloformer.export.source.resolve import SourceRequest
from cloformer.export.source.spec import ModelSpec
from cloformer.io.progress import Progress, Stage
from cloformer.io.words import count

from .dense_subjects import DenseSubject, dense_subject
from .evaluate import chosen, refuse_a_guess
from .subjects import Pixels, names_a_model, request_of

__all__ = ["DenseEvaluation", "evaluate_dense"]

_NONE = RunnerOptions()
_MAPS = ("class_map", "class_scores")
_NEARLY_ALL = 0.9995  # of the photographs' pixels


@dataclass(frozen=True)
class DenseEvaluation:
    """What was found of one subject on ``images``. ``fall`` is of the main figure beside ``reference``, None without one, and of the
    reference itself. ``unreadable`` are images that are in none of the figures. The rest is as :class:`.subjects.Subject` has it."""

    subject: str
    runs_in: str
    scores: MapScores | BoxScores
    fall: Fall | None = None
    reference: str | None = None
    is_reference: bool = False
    unreadable: tuple[Unreadable, ...] = ()
    bytes: int | None = None
    format: str | None = None
    precision: str | None = None
    manifest_sha256: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        return self.scores.images

    def to_json(self) -> dict[str, object]:
        own = (
            "subject", "runs_in", "format", "precision", "manifest_sha256", "bytes", "images", "is_reference", "reference",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in own},
            **self.scores.to_json(),
            "accuracy_drop": None if self.fall is None else self.fall.to_json(),
            "notes": list(self.notes),
            "unreadable": [item.to_json() for item in self.unreadable],
        }


def evaluate_dense(
    subjects: Sequence[Path],
    data: Masked | Annotated,
    *,
    reference: Path | SourceRequest | None = None,
    spec: ModelSpec | None = None,
    limit: int | None = None,
    options: RunnerOptions = _NONE,
    progress: Progress = lambda _: None,
) -> list[DenseEvaluation]:
    """What is found of each subject on the photographs, or on ``limit`` of them, the same for all.

    Without ``reference``, the first subject that is no artifact is what the others are held to. ``spec`` is of the subjects that are
    networks. Raises :class:`InputError` for a subject that cannot be read or has other classes than the data,
    :class:`UnsupportedError` for one that gives no maps, or no boxes, and :class:`MissingRuntimeError` without what computes the
    figures, before anything is run.
    """
    if isinstance(data, Annotated):
        refuse_without_pycocotools()
    if reference is None:
        reference = next((path for path in subjects if not is_artifact(path)), None)
    with ExitStack() as stack:

        def ready(asked: Path | SourceRequest) -> _Trial:
            if isinstance(asked, Path) and names_a_model(asked):
                asked = request_of(str(asked), None, subjects, spec, option="evaluate")
            return _trial(stack.enter_context(dense_subject(asked, options)), data)

        alone = None if reference is None or reference in subjects else ready(reference)
        found = {path: ready(path) for path in dict.fromkeys(subjects)}
        held = found.get(reference) if isinstance(reference, Path) and alone is None else alone
        running = list(dict.fromkeys([*([] if alone is None else [alone]), *found.values()]))
        if held is not None:
            refuse_a_guess(held.subject, [trial.subject for trial in found.values()])
        unreadable = _run(running, data, limit, progress)
        progress(Stage("drawing images again, for the intervals", 1.0))
        results = {trial: trial.result(unreadable) for trial in running}
    return [_beside(results[found[path]], None if held is None else results[held]) for path in subjects]


def _beside(result: DenseEvaluation, reference: DenseEvaluation | None) -> DenseEvaluation:
    if reference is None or reference is result:
        return replace(result, is_reference=reference is result)
    fall = Fall.of(reference.scores.main, result.scores.main)
    return replace(result, fall=fall, reference=reference.subject)


class _Counter(Protocol):
    """Figures of one subject, image by image."""

    def add(self, index: int, seen: Seen, inside: NDArray[np.bool_], /) -> None: ...
    def result(self) -> MapScores | BoxScores: ...


class _Maps:
    def __init__(self, subject: DenseSubject, data: Masked) -> None:
        subject.needs(*_MAPS)
        classes = subject.classes_of(*_MAPS)
        refuse_other_numbers(subject.name, classes, data)
        self._data, self._counts = data, MapCounts(classes, data.ignored)

    def add(self, index: int, seen: Seen, inside: NDArray[np.bool_]) -> None:
        self._counts.add(next(iter(seen.maps.values())).classes, self._data.mask(index), inside)

    def result(self) -> MapScores:
        return self._counts.result()


class _Detections:
    def __init__(self, subject: DenseSubject, data: Annotated) -> None:
        subject.needs("boxes")
        classes = subject.classes_of("box_classes", "box_scores")
        self._data = data
        self._categories = categories_of(subject.name, subject.labels, classes, data)
        self._boxes = Boxes(data.document)

    def add(self, index: int, seen: Seen, _inside: NDArray[np.bool_]) -> None:
        boxes = seen.boxes or ()
        known = [(self._categories[box.index], box) for box in boxes if box.index in self._categories]
        self._boxes.add(self._data.ids[index], known)

    def result(self) -> BoxScores:
        return self._boxes.result()


@dataclass(eq=False)
class _Trial:
    """A subject, its figures, and how many of the photographs' pixels its input has shown."""

    subject: DenseSubject
    counter: _Counter
    pixels: int = 0
    pixels_shown: int = 0

    def add(self, index: int, pixels: Pixels, placed: Placement) -> None:
        inside = shown(placed, (self.subject.rule.height, self.subject.rule.width))
        self.counter.add(index, self.subject.see(pixels, placed), inside)
        self.pixels += inside.size
        self.pixels_shown += np.count_nonzero(inside)

    def result(self, unreadable: tuple[Unreadable, ...]) -> DenseEvaluation:
        subject = self.subject
        return DenseEvaluation(
            subject.name, subject.runs_in, self.counter.result(), unreadable=unreadable, bytes=subject.bytes,
            format=subject.format, precision=subject.precision, manifest_sha256=subject.manifest_sha256,
            notes=(*subject.notes, *self._cropped()),
        )  # fmt: skip

    def _cropped(self) -> tuple[str, ...]:
        share = self.pixels_shown / self.pixels
        if share >= _NEARLY_ALL:
            return ()
        what = (
            "the rest is in no figure" if isinstance(self.counter, _Maps) else "nothing is found in the rest"
        )
        return (f"its input shows {share:.1%} of the photographs' pixels ({self.subject.rule.said}): {what}",)


def _trial(subject: DenseSubject, data: Masked | Annotated) -> _Trial:
    return _Trial(subject, _Maps(subject, data) if isinstance(data, Masked) else _Detections(subject, data))


def _run(
    trials: Sequence[_Trial], data: Masked | Annotated, limit: int | None, progress: Progress
) -> tuple[Unreadable, ...]:
    """Every photograph through every subject; what cannot be read is returned, and the first one's error raised where none can."""
    numbers = chosen(len(data.images), limit)
    rules = dict.fromkeys(trial.subject.rule for trial in trials)
    unreadable: list[Unreadable] = []

    def read(index: int) -> tuple[int, Mapping[Preprocessing, tuple[Pixels, Placement]]]:
        photograph: Image.Image = load_image(data.images[index])
        return index, {
            rule: (rule.crop_image(photograph), rule.placement(*photograph.size)) for rule in rules
        }

    for done, item in enumerate(attempts(numbers, read, lambda index: str(data.images[index]))):
        progress(Stage(f"{data.name}: {count(numbers, 'image')}, {done} done", done / len(numbers)))
        if isinstance(item, Unreadable):
            unreadable.append(item)
            continue
        index, crops = item
        for trial in trials:
            trial.add(index, *crops[trial.subject.rule])
    if len(unreadable) == len(numbers):
        refuse_none(unreadable)
    return tuple(unreadable)
