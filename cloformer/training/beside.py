"""What a model has lost beside a reference, on the same images: its first class, the signal, and its accuracy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from cloformer.export.accuracy.paired import Drop
from cloformer.export.accuracy.scores import first_classes, interval, right_first
from cloformer.export.reference.loss import errors

from .subjects import Subject

__all__ = ["Against", "Comparison", "Flip", "order_of"]


@dataclass(frozen=True)
class Flip:
    """An image of which the first class is another. ``margin`` is by how much the reference prefers its own, in its logits;
    None where one of both gives what is no number. Classes are names, or numbers where there are none."""

    image: str
    reference: str
    found: str
    margin: float | None


@dataclass(frozen=True)
class Against:
    """``agreed`` of ``images`` have the first class of ``reference``. ``snr_db`` is 10 log10 of the energy of what the reference
    gives over that of the difference, all images as one; it is of logits, or of probabilities (``snr_of``) where the model gives
    no logits. ``drop`` is None without labels."""

    reference: str
    agreed: int
    images: int
    snr_db: float
    snr_of: str
    drop: Drop | None
    flips: tuple[Flip, ...]

    @property
    def agreement(self) -> float:
        return self.agreed / self.images

    @property
    def agreement_interval(self) -> tuple[float, float]:
        """At 95 %."""
        return interval(self.agreement, self.images)

    def to_json(self) -> dict[str, object]:
        """JSON has no infinity: ``snr_db`` is null where both are equal (``is_exact``), and where one is no number."""
        return {
            "reference": self.reference,
            "agreement": self.agreement,
            "agreement_interval": list(self.agreement_interval),
            "snr_db": self.snr_db if math.isfinite(self.snr_db) else None,
            "snr_of": self.snr_of,
            "is_exact": self.snr_db == math.inf,
            "accuracy_drop": None if self.drop is None else self.drop.to_json(),
            "flips": [asdict(item) for item in self.flips],
        }

    @staticmethod
    def nothing() -> dict[str, object]:
        """The same without a reference."""
        names = (
            "reference",
            "agreement",
            "agreement_interval",
            "snr_db",
            "snr_of",
            "is_exact",
            "accuracy_drop",
        )
        return {**dict.fromkeys(names), "flips": []}


class Comparison:
    """The figures of :class:`Against`, batch by batch. ``order`` are the subject's places of the reference's classes,
    ``gives`` is what the subject gives, and ``names`` are what its classes are called."""

    def __init__(self, reference: str, order: Sequence[int], gives: str, names: Sequence[str] | None) -> None:
        self._reference, self._order, self._gives = reference, list(order), gives
        self._names = None if names is None else [names[place] for place in order]
        self._images = self._lost = self._gained = 0
        self._energy = self._noise = 0.0
        self._has_labels = False
        self._flips: list[Flip] = []

    def add(self, images: Sequence[str], got_BK: Tensor, want_BK: Tensor, labels_B: Tensor | None) -> None:
        """Logits of both for these images, each in its own order; labels in the subject's."""
        place_of = {place: number for number, place in enumerate(self._order)}
        got_BK, want_BK = got_BK[:, self._order].double(), want_BK.double()
        self._images += len(images)
        self._compare(images, got_BK, want_BK)
        self._measure(got_BK, want_BK)
        if labels_B is not None:
            own_B = torch.tensor([place_of[int(label)] for label in labels_B])
            is_right_B, was_right_B = right_first(got_BK, own_B), right_first(want_BK, own_B)
            self._has_labels = True
            self._lost += int((was_right_B & ~is_right_B).sum())
            self._gained += int((is_right_B & ~was_right_B).sum())

    def result(self) -> Against:
        drop = Drop(self._lost, self._gained, self._images) if self._has_labels else None
        agreed = self._images - len(self._flips)
        return Against(
            self._reference, agreed, self._images, self._snr_db(), self._gives, drop, tuple(self._flips)
        )

    def _compare(self, images: Sequence[str], got_BK: Tensor, want_BK: Tensor) -> None:
        found, wanted = first_classes(got_BK).tolist(), first_classes(want_BK).tolist()
        for place, (image, one, other) in enumerate(zip(images, found, wanted, strict=True)):
            if one == other >= 0:
                continue
            are_numbers = one >= 0 and other >= 0
            margin = float(want_BK[place, other] - want_BK[place, one]) if are_numbers else None
            self._flips.append(Flip(image, self._called(other), self._called(one), margin))

    def _measure(self, got_BK: Tensor, want_BK: Tensor) -> None:
        if self._gives == "probabilities":
            got_BK, want_BK = got_BK.exp(), want_BK.softmax(1)
        want = want_BK.numpy()
        error = errors(got_BK.numpy(), want)
        with np.errstate(over="ignore"):
            self._energy += float(np.square(want[np.isfinite(want)]).sum())
            self._noise += float(np.square(error).sum())

    def _snr_db(self) -> float:
        if self._noise == 0:
            return math.inf
        if not self._energy or not math.isfinite(self._noise):
            return -math.inf
        return 10 * math.log10(self._energy / self._noise)

    def _called(self, number: int) -> str:
        if number < 0:
            return "no number"
        return f"class {number}" if self._names is None else self._names[number]


def order_of(subject: Subject, reference: Subject) -> list[int] | None:
    """Where the reference's classes are among the subject's: by name, or by number where one has no names; of a name that is
    there several times, the first is the first. None if the classes are others."""
    if subject.classes != reference.classes:
        return None
    if subject.labels is None or reference.labels is None:
        return list(range(subject.classes))
    if Counter(subject.labels) != Counter(reference.labels):
        return None
    places: dict[str, list[int]] = {}
    for number, name in enumerate(subject.labels):
        places.setdefault(name, []).append(number)
    return [places[name].pop(0) for name in reference.labels]
