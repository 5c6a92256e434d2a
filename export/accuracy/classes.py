"""Which of a classifier's classes those of the images are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from cloformer.errors import InputError
from cloformer.io.words import count

from .judged import Judged

__all__ = ["Classifier", "places_of", "refuse_other_classes"]

_TRAINS_ONE = (
    "cloformer train --data FOLDER --output runs/new --recipe finetune --weights fashion-mnist makes one"
)


class Classifier(Protocol):
    """What gives a score for each of ``classes``, which ``labels`` name; None where nobody says what they are called."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Sequence[str] | None: ...
    @property
    def classes(self) -> int: ...


def places_of(subject: Classifier, data: Judged) -> list[int] | range:
    """Which of the subject's classes each of the data's is: by name, or by number where one side has no names. Of a name
    that both have several times, the first is the first."""
    names = subject.labels
    if names is None or data.classes is None or not data.named:
        return range(subject.classes)
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        places.setdefault(name, []).append(number)
    return [places[name].pop(0) for name in data.classes]


def refuse_other_classes(subject: Classifier, data: Judged) -> None:
    """:class:`InputError` unless the subject knows the data's classes."""
    if data.classes is None:
        _check_numbers(subject, data)
    elif subject.labels is not None and data.named:
        _check_names(subject, subject.labels, data.classes, data.name)
    elif subject.classes < len(data.classes) or (
        subject.labels is None and subject.classes != len(data.classes)
    ):
        raise InputError(
            f"{subject.name} has {count(subject.classes, 'class')}, and {data.name} has {len(data.classes)}",
            f"give a model of these classes; {_TRAINS_ONE}",
        )


def _check_numbers(subject: Classifier, data: Judged) -> None:
    """Labels that are the model's own numbers are numbers that it has."""
    for image, label in enumerate(data.labels or ()):
        if label >= subject.classes:
            raise InputError(
                f"{data.images.where(image)} is labelled as class {label}, and {subject.name} has "
                f"{count(subject.classes, 'class')} (the first is class 0)",
                "mend the labels, or give a model of these classes",
            )


def _check_names(subject: Classifier, names: Sequence[str], classes: Sequence[str], data: str) -> None:
    known, asked = Counter(names), Counter(classes)
    unknown = next((name for name in classes if name not in known), None)
    if unknown is not None:
        raise InputError(
            f"{subject.name} does not know the data's class {unknown!r}, but {_some(names)}",
            f"give a model of these classes; {_TRAINS_ONE}",
        )
    unclear = next((name for name in classes if known[name] != asked[name]), None)
    if unclear is not None:
        raise InputError(
            f"{subject.name} has {known[unclear]} classes that are called {unclear!r}, and {data} has "
            f"{asked[unclear]}: which is which cannot be told",
            "make the names differ in both",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
