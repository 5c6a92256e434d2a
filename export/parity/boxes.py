"""What a number format costs a detector: boxes are held to those of the model that they match, not to those of the same place in
the list, for two scores that are nearly equal may change places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..reference.references import Expected
from ..source.arrays import Array
from .report import OutputResult

__all__ = ["Detections", "by_matching", "in_matching_order", "matches"]

_SAME = 0.5  # of the union: boxes of one class that overlap as much are one
_ROLES = ("boxes", "box_scores", "box_classes")
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
            _overlap(want.boxes[place], got.boxes[other])
            if got.classes[other] == want.classes[place]
            else 0.0
            for other in left
        ]
        if shares and max(shares) >= _SAME:
            found[int(place)] = int(left.pop(int(np.argmax(shares))))
    return found


def in_matching_order(got: Mapping[str, Array], expected: Sequence[Expected]) -> dict[str, Array]:
    """What a suppression gave, each box at the place of the one of the model that it matches; as it is where its scores do not fall,
    for then it is in no order that rounding explains."""
    roles, given = _group(expected), dict(got)
    if roles is None or any(item.spec.name not in got for item in roles.values()):
        return given
    arrays = {role: np.asarray(got[item.spec.name]) for role, item in roles.items()}
    if any(arrays[role].shape != item.want.shape for role, item in roles.items()):
        return given
    moved = {role: array.copy() for role, array in arrays.items()}
    for image, scores in enumerate(arrays["box_scores"]):
        if (np.diff(scores) > 0).any():
            continue
        one, other = (
            _of_image({role: item.want for role, item in roles.items()}, image),
            _of_image(arrays, image),
        )
        pairs = matches(one, other)
        rest = iter([place for place in range(len(scores)) if place not in set(pairs.values())])
        order = [pairs[place] if place in pairs else next(rest) for place in range(len(scores))]
        for role in _ROLES:
            moved[role][image] = arrays[role][image][order]
    return given | {item.spec.name: moved[role] for role, item in roles.items()}


def by_matching(
    results: Sequence[OutputResult], got: Mapping[str, Array], expected: Sequence[Expected], max_loss: float
) -> list[OutputResult]:
    """``results`` with what boxes, their scores and classes lose told by matching, where a suppression gave them."""
    roles = _group(expected)
    lossy = any(item.too_lossy is not None and np.isfinite(item.figures.max_abs) for item in results)
    if roles is None or not lossy:
        return list(results)
    names = {item.spec.name for item in roles.values()}
    said = _lost(roles, got, max_loss)
    return [
        replace(item, too_lossy=said if item.name == roles["boxes"].spec.name else None)
        if item.name in names and item.failure is None
        else item
        for item in results
    ]


def _group(expected: Sequence[Expected]) -> dict[str, Expected] | None:
    """Boxes, scores and classes; None where a model has not all three of a suppression."""
    found = {item.spec.role: item for item in expected if item.spec.role in _ROLES}
    is_whole = found.keys() == set(_ROLES) and found["box_scores"].want.ndim == _OF_BOXES
    return found if is_whole else None


def _of_image(arrays: Mapping[str, Array], image: int) -> Detections:
    return Detections(*(np.asarray(arrays[role])[image] for role in _ROLES))


def _lost(roles: Mapping[str, Expected], got: Mapping[str, Array], max_loss: float) -> str | None:
    want = {role: np.asarray(item.want) for role, item in roles.items()}
    given = {role: np.asarray(got[item.spec.name]) for role, item in roles.items()}
    alone = count = 0
    off = 0.0
    for image in range(len(want["boxes"])):
        one, other = _of_image(want, image), _of_image(given, image)
        pairs = matches(one, other)
        count += max(len(one.are), len(other.are))
        alone += max(len(one.are), len(other.are)) - len(pairs)
        for place, match in pairs.items():
            moved = np.abs(one.boxes[place] - other.boxes[match]).max() / max(np.abs(one.boxes).max(), 1.0)
            off = max(off, float(moved), abs(float(one.scores[place] - other.scores[match])))
    name = roles["boxes"].form.name
    if alone > max_loss * count:
        return (
            f"{name} costs {alone} of {count} boxes: no box of their class overlaps them by half, and {max_loss:.0%} is the most "
            "(--max-loss)"
        )
    if off > max_loss:
        return f"{name} moves boxes or scores that match by {off:.0%}, and {max_loss:.0%} is the most (--max-loss)"
    return None


def _overlap(one: Array, other: Array) -> float:
    across, down = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = max(float(across), 0.0) * max(float(down), 0.0)
    union = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared
    return shared / union if union > 0 else float(np.array_equal(one, other))
