"""What a number format costs a detector: boxes are lost, or those that match move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..reference.matching import matched, matches, of_image, places_of
from ..reference.references import Expected
from ..source.arrays import Array
from .report import OutputResult

__all__ = ["by_matching", "in_matching_order"]


def in_matching_order(got: Mapping[str, Array], expected: Sequence[Expected]) -> dict[str, Array]:
    """What was given, each box at the place of the one of the model that it matches (:func:`.matching.matched`)."""
    names = [item.spec.name for item in expected]
    if any(name not in got for name in names):
        return dict(got)
    roles = [item.spec.role for item in expected]
    found = matched([np.asarray(got[name]) for name in names], [item.want for item in expected], roles)
    return {**got, **dict(zip(names, found, strict=True))}


def by_matching(
    results: Sequence[OutputResult], got: Mapping[str, Array], expected: Sequence[Expected], max_loss: float
) -> list[OutputResult]:
    """``results`` with what boxes, their scores and classes lose told by matching, where a suppression gave them."""
    places = places_of([item.want for item in expected], [item.spec.role for item in expected])
    lossy = any(item.too_lossy is not None and np.isfinite(item.figures.max_abs) for item in results)
    if places is None or not lossy:
        return list(results)
    said = _lost(expected, got, places, max_loss)
    names = [expected[place].spec.name for place in places]
    return [
        replace(item, too_lossy=said if item.name == names[0] else None)
        if item.name in names and item.failure is None
        else item
        for item in results
    ]


def _lost(
    expected: Sequence[Expected], got: Mapping[str, Array], places: Sequence[int], max_loss: float
) -> str | None:
    want, given = [item.want for item in expected], [np.asarray(got[item.spec.name]) for item in expected]
    alone = count = 0
    off = 0.0
    for image in range(len(want[places[0]])):
        one, other = of_image(want, places, image), of_image(given, places, image)
        pairs = matches(one, other)
        count += max(len(one.are), len(other.are))
        alone += max(len(one.are), len(other.are)) - len(pairs)
        for place, match in pairs.items():
            moved = np.abs(one.boxes[place] - other.boxes[match]).max() / max(np.abs(one.boxes).max(), 1.0)
            off = max(off, float(moved), abs(float(one.scores[place] - other.scores[match])))
    name = expected[places[0]].form.name
    if alone > max_loss * count:
        return (
            f"{name} costs {alone} of {count} boxes: no box of their class overlaps them by half, and {max_loss:.0%} is the most "
            "(--max-loss)"
        )
    if off > max_loss:
        return f"{name} moves boxes or scores that match by {off:.0%}, and {max_loss:.0%} is the most (--max-loss)"
    return None
