"""Boxes that a suppression gave, held to those that they match, and not to those of the same place in the list: two scores that are
nearly equal may change places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..source.arrays import Array

__all__ = ["ROLES", "Detections", "matched", "matches", "of_image", "overlap", "overlaps", "places_of"]

ROLES = ("boxes", "box_scores", "box_classes")
_SAME = 0.5  # of the union: boxes of one class that overlap as much are one
_OF_BOXES = 2  # axes of scores and classes: batch and box


@dataclass(frozen=True)
class Detections:
    """Of one image: boxes (N, 4) as xyxy, and (N,) scores, 0 where there is none, and classes."""

    boxes: Array
    scores: Array
    classes: Array

    @property
    def are(self) -> Array:
        """The places that hold one, the best first."""
        order = np.argsort(-self.scores, kind="stable")
        found: Array = order[self.scores[order] > 0]
        return found


def matches(want: Detections, got: Detections) -> dict[int, int]:
    """For each of ``want``, the best first, the one of ``got`` of its class that overlaps it most, by half of the union at least, and
    that no better one has."""
    left = list(got.are)
    found: dict[int, int] = {}
    for place in want.are:
        shares = [
            overlap(want.boxes[place], got.boxes[other]) if got.classes[other] == want.classes[place] else 0.0
            for other in left
        ]
        if shares and max(shares) >= _SAME:
            found[int(place)] = int(left.pop(int(np.argmax(shares))))
    return found


def matched(given: Sequence[Array], want: Sequence[Array], roles: Sequence[str]) -> list[Array]:
    """Outputs of such ``roles`` with each box of a suppression at the place of the one of ``want`` that it matches; as they are
    where there is no suppression, and where scores do not fall, for then they are in no order that rounding explains."""
    found, places = list(given), places_of(want, roles)
    if places is None or any(given[place].shape != want[place].shape for place in places):
        return found
    for place in places:
        found[place] = np.array(given[place])
    for image, scores in enumerate(np.asarray(given[places[1]])):
        if (np.diff(scores) > 0).any():
            continue
        pairs = matches(of_image(want, places, image), of_image(given, places, image))
        rest = iter([place for place in range(len(scores)) if place not in set(pairs.values())])
        order = [pairs[place] if place in pairs else next(rest) for place in range(len(scores))]
        for place in places:
            found[place][image] = np.asarray(given[place])[image][order]
    return found


def places_of(outputs: Sequence[Array], roles: Sequence[str]) -> tuple[int, ...] | None:
    """Where a suppression's boxes, scores and classes are; None where a model has not all three."""
    if any(roles.count(role) != 1 for role in ROLES):
        return None
    places = tuple(roles.index(role) for role in ROLES)
    return places if outputs[places[1]].ndim == _OF_BOXES else None


def of_image(outputs: Sequence[Array], places: Sequence[int], image: int) -> Detections:
    return Detections(*(np.asarray(outputs[place])[image] for place in places))


def overlap(one: Array, other: Array) -> float:
    """What two boxes share, over what they cover together; 1 of two that are equal and of no size."""
    return float(overlaps(one, np.asarray(other)[None])[0])


def overlaps(one: Array, others: Array) -> Array:
    """:func:`overlap` of a box with each of (N, 4)."""
    sides = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0.0), -1)
    union = np.prod(one[2:] - one[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=-1) - shared
    alike = (others == one).all(-1).astype(np.float64)
    found: Array = np.where(union > 0, shared / np.where(union > 0, union, 1.0), alike)
    return found
