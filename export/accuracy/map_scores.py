"""How well maps of classes cover what masks say: intersections over unions, and the share of pixels that are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..source.arrays import Array
from .resampled import Estimate, draws

__all__ = ["MapCounts", "MapScores"]

_INTERSECTION, _MASK, _FOUND = range(3)


@dataclass(frozen=True)
class MapScores:
    """``miou`` is the mean, over the classes that a mask or a map has anywhere, of the pixels that both have over those that one of
    them has (Jaccard, 1901), of all images as one; ``pixel_accuracy`` the share of pixels whose class is the mask's."""

    images: int
    miou: Estimate
    pixel_accuracy: Estimate
    by_class: Mapping[int, float]

    @property
    def main(self) -> Estimate:
        return self.miou

    def to_json(self) -> dict[str, object]:
        return {
            **self.miou.to_json("miou"),
            **self.pixel_accuracy.to_json("pixel_accuracy"),
            "by_class": {str(number): value for number, value in self.by_class.items()},
        }


class MapCounts:
    """Pixels of each of ``classes`` in masks, in maps, and in both, image by image; masks have ``ignored`` where nobody says
    what is there."""

    def __init__(self, classes: int, ignored: int) -> None:
        self._classes, self._ignored = classes, ignored
        self._counts: list[npt.NDArray[np.int64]] = []

    def add(self, found: Array, mask: Array, shown: Array) -> None:
        """A map and a mask of one image, (height, width), where it is ``shown``. A number that no class has is right nowhere."""
        told = (mask != self._ignored) & shown
        want, got = mask[told].astype(np.int64), found[told].astype(np.int64)
        got = np.where((got >= 0) & (got < self._classes), got, self._classes)
        each = [np.bincount(part, minlength=self._classes + 1) for part in (want[want == got], want, got)]
        self._counts.append(np.stack(each)[:, : self._classes])

    def result(self) -> MapScores:
        counts = np.stack(self._counts).astype(np.float64)
        flat = counts.reshape(len(counts), -1)
        shape = 3, self._classes
        again = [(weights @ flat).reshape(shape) for weights in draws(len(counts))]
        whole = counts.sum(0)
        shares = _shares(whole)
        by_class = {number: float(share) for number, share in enumerate(shares) if np.isfinite(share)}
        return MapScores(
            len(counts),
            Estimate(_mean(shares), np.array([_mean(_shares(each)) for each in again]), len(counts)),
            Estimate(_right(whole), np.array([_right(each) for each in again]), len(counts)),
            by_class,
        )


def _shares(counts: Array) -> Array:
    """Of each class; NaN of one that is nowhere."""
    union = counts[_MASK] + counts[_FOUND] - counts[_INTERSECTION]
    found: Array = np.divide(counts[_INTERSECTION], union, out=np.full(union.shape, np.nan), where=union > 0)
    return found


def _mean(shares: Array) -> float:
    told = shares[np.isfinite(shares)]
    return float(told.mean()) if told.size else float("nan")


def _right(counts: Array) -> float:
    pixels = counts[_MASK].sum()
    return float(counts[_INTERSECTION].sum() / pixels) if pixels else float("nan")
