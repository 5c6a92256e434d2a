"""How well boxes find what is annotated: COCO's average precision, which pycocotools computes.

The interval is of the average precision on images drawn again (:mod:`.resampled`), from the matches that pycocotools made: which
box matches which is the same in every draw, for each is found within one image.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from cloformer.errors import MissingRuntimeError

from ..source.arrays import Array
from .resampled import Estimate, draws

if TYPE_CHECKING:
    from pycocotools.cocoeval import COCOeval

__all__ = ["BoxScores", "Boxes", "FoundBox", "refuse_without_pycocotools"]

_FIGURES = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip
_NOTHING = -1.0  # what pycocotools gives where nothing is annotated


class FoundBox(Protocol):
    """Corners are left, top, right, bottom, in the image's own pixels."""

    @property
    def score(self) -> float: ...
    @property
    def corners(self) -> tuple[float, float, float, float]: ...


@dataclass(frozen=True)
class BoxScores:
    """``ap`` is the mean over categories and overlaps of 0.5 to 0.95; ``figures`` are pycocotools' twelve, in its order, without
    those that nothing annotated tells; ``by_category`` is each one's average precision."""

    images: int
    ap: Estimate
    figures: Mapping[str, float]
    by_category: Mapping[str, float]

    @property
    def main(self) -> Estimate:
        return self.ap

    def to_json(self) -> dict[str, object]:
        figures = {name: self.figures.get(name) for name in _FIGURES}
        return {**figures, **self.ap.to_json("ap"), "by_category": dict(self.by_category)}


class Boxes:
    """Boxes found in images, by the numbers that ``document``, COCO's instances with all that pycocotools reads, gives images and
    categories."""

    def __init__(self, document: Mapping[str, list[dict[str, object]]]) -> None:
        self._document = document
        self._found: list[dict[str, object]] = []
        self._images: list[int] = []

    def add(self, image: int, found: Sequence[tuple[int, FoundBox]]) -> None:
        """What was found in ``image``: the category and the box."""
        self._images.append(image)
        for category, box in found:
            left, top, right, bottom = box.corners
            size = right - left, bottom - top
            self._found.append({
                "id": len(self._found) + 1, "image_id": image, "category_id": category, "score": box.score,
                "bbox": [left, top, *size], "area": size[0] * size[1], "iscrowd": 0,
            })  # fmt: skip

    def result(self) -> BoxScores:
        """:class:`MissingRuntimeError` without pycocotools."""
        refuse_without_pycocotools()
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        want, got = COCO(), COCO()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints how it goes on
            for held, annotations in ((want, self._document["annotations"]), (got, self._found)):
                held.dataset = {**self._document, "annotations": annotations}
                held.createIndex()
            judged = COCOeval(want, got, "bbox")
            judged.params.imgIds = self._images
            judged.evaluate()
            judged.accumulate()
            judged.summarize()
        told = {
            name: float(value)
            for name, value in zip(_FIGURES, judged.stats, strict=True)
            if value != _NOTHING
        }
        matches = [_matches(judged, category) for category in range(len(judged.params.catIds))]
        recalls = judged.params.recThrs
        again = [_average(matches, recalls, weights) for weights in draws(len(judged.params.imgIds))]
        ap = Estimate(told.get("ap", float("nan")), np.array(again), len(self._images))
        names = {item["id"]: str(item["name"]) for item in self._document["categories"]}
        each = judged.eval["precision"][:, :, :, 0, -1]  # overlaps, recalls, categories
        by_category = {
            names[number]: float(each[:, :, place].mean())
            for place, number in enumerate(judged.params.catIds)
            if (each[:, :, place] != _NOTHING).all()
        }
        return BoxScores(len(self._images), ap, told, by_category)


def refuse_without_pycocotools() -> None:
    """:class:`MissingRuntimeError` where it is not there."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError:
        raise MissingRuntimeError(
            "average precision is computed by pycocotools, which is not installed",
            "pip install 'cloformer[coco]'",
        ) from None


@dataclass(frozen=True)
class _Matches:
    """Of one category: how many are annotated in each image; and of all boxes found, the best first, their images, and for each
    overlap (T, N) whether they match one, and whether they count for nothing."""

    annotated: Array
    images: Array
    is_right: Array
    is_ignored: Array


def _matches(judged: COCOeval, category: int) -> _Matches:
    """Of all sizes, which come first among pycocotools' records: category by category, size by size, image by image."""
    images = len(judged.params.imgIds)
    start = category * len(judged.params.areaRng) * images
    records = judged.evalImgs[start : start + images]
    most = judged.params.maxDets[-1]
    overlaps = len(judged.params.iouThrs)
    annotated = np.array(
        [0 if record is None else np.count_nonzero(record["gtIgnore"] == 0) for record in records]
    )
    kept = [(number, record) for number, record in enumerate(records) if record is not None]
    scores = np.concatenate([np.zeros(0), *(np.asarray(record["dtScores"])[:most] for _, record in kept)])
    order = np.argsort(-scores, kind="mergesort")

    def joined(key: str) -> Array:
        parts = [np.asarray(record[key], bool)[:, :most] for _, record in kept]
        found: Array = np.concatenate([np.zeros((overlaps, 0), bool), *parts], 1)[:, order]
        return found

    of = np.concatenate(
        [
            np.zeros(0, np.int64),
            *(np.full(len(record["dtScores"][:most]), number) for number, record in kept),
        ]
    )[order]
    return _Matches(annotated, of, joined("dtMatches"), joined("dtIgnore"))


def _average(categories: Sequence[_Matches], recalls: Array, weights: npt.NDArray[np.float64]) -> float:
    """The average precision where each image is there as often as ``weights`` say; NaN where nothing is annotated."""
    found = list(_precisions(categories, recalls, weights))
    return float(np.mean(found)) if found else float("nan")


def _precisions(
    categories: Sequence[_Matches], recalls: Array, weights: npt.NDArray[np.float64]
) -> Iterator[float]:
    """Of each category that is annotated, and each overlap: the mean of the best precision at each recall or beyond."""
    for item in categories:
        annotated = float(item.annotated @ weights)
        if not annotated:
            continue
        often = weights[item.images]
        right = np.cumsum(often * (item.is_right & ~item.is_ignored), 1)
        wrong = np.cumsum(often * (~item.is_right & ~item.is_ignored), 1)
        precision = right / (right + wrong + np.spacing(1))
        best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        for recall, reached in zip(right / annotated, best, strict=True):
            places = np.searchsorted(recall, recalls, side="left")
            yield float(np.append(reached, 0.0)[places].mean())
