"""What outputs with a role say of a photograph, in its own pixels: boxes, maps of classes, masks, points, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..reference.matching import overlaps
from ..source.arrays import Array
from ..source.function import Output
from ..source.placement import Placement

__all__ = [
    "CANDIDATES",
    "Box",
    "ClassMap",
    "Masks",
    "Picture",
    "Points",
    "Seen",
    "run_lengths",
    "seen_of",
    "shown",
]

_OVERLAP = 0.5  # of the union: where the file suppresses nothing, what overlaps a better box of its class by more is not shown
CANDIDATES = 400  # the best boxes, of which the others are suppressed
_SURE = 0.5  # a mask's share from which a pixel is in it


@dataclass(frozen=True)
class Box:
    """A class, its name if there is one, its score, and left, top, right, bottom."""

    index: int
    label: str | None
    score: float
    corners: tuple[float, float, float, float]

    def to_json(self) -> dict[str, object]:
        """As COCO writes it: left, top, width and height."""
        left, top, right, bottom = self.corners
        bbox = [left, top, right - left, bottom - top]
        return {"class": self.index, "label": self.label, "score": self.score, "bbox": bbox}


@dataclass(frozen=True)
class ClassMap:
    """The number of a class at each pixel, (height, width), and the names of classes."""

    classes: Array
    labels: Sequence[str] | None = None

    @property
    def shares(self) -> dict[int, float]:
        """How much of the photograph each class has, the most first."""
        found, counts = np.unique(self.classes, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {int(found[place]): float(counts[place] / self.classes.size) for place in order}

    def label(self, index: int) -> str | None:
        return self.labels[index] if self.labels is not None and 0 <= index < len(self.labels) else None

    def to_json(self) -> list[dict[str, object]]:
        return [
            {
                "class": index,
                "label": self.label(index),
                "share": share,
                "segmentation": run_lengths(self.classes == index),
            }
            for index, share in self.shares.items()
        ]


@dataclass(frozen=True)
class Masks:
    """Truths, (masks, height, width)."""

    inside: Array

    def to_json(self) -> list[dict[str, object]]:
        return [{"segmentation": run_lengths(mask), "share": float(mask.mean())} for mask in self.inside]


@dataclass(frozen=True)
class Points:
    """x, y and, if the model gives it, how sure: (points, 2 or 3)."""

    points: Array

    def to_json(self) -> list[list[float]]:
        found: list[list[float]] = self.points.tolist()
        return found


@dataclass(frozen=True)
class Picture:
    """Pixels of the size that the model gives, (height, width, 1 or 3), 0 to 255."""

    pixels: Array

    def to_json(self) -> dict[str, object]:
        return {"size": list(self.pixels.shape[:2])}


@dataclass(frozen=True)
class Seen:
    """What all outputs of one image say together."""

    boxes: tuple[Box, ...] | None = None
    maps: Mapping[str, ClassMap] = field(default_factory=dict)
    masks: Mapping[str, Masks] = field(default_factory=dict)
    points: Mapping[str, Points] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)

    @property
    def is_anything(self) -> bool:
        return self.boxes is not None or any((self.maps, self.masks, self.points, self.pictures))

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = (
            {} if self.boxes is None else {"boxes": [box.to_json() for box in self.boxes]}
        )
        for kind in ("maps", "masks", "points", "pictures"):
            items = getattr(self, kind)
            if items:
                found[kind] = {name: item.to_json() for name, item in items.items()}
        return found


def run_lengths(inside: Array) -> dict[str, object]:
    """As COCO writes a mask without packing: column by column, how many are outside, inside, outside and so on."""
    flat = np.asarray(inside, bool).T.reshape(-1)
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends, flat.size]).tolist()
    return {"size": list(inside.shape), "counts": [0, *counts] if flat.size and flat[0] else counts}


def seen_of(
    outputs: Sequence[Output],
    given: Mapping[str, Array],
    placed: Placement,
    size: tuple[int, int],
    labels: Sequence[str] | None,
    *,
    min_score: float,
    is_suppressed: bool,
    candidates: int = CANDIDATES,
) -> Seen:
    """The first image's, of which the input, of ``size`` (height, width), is ``placed`` in the photograph. Boxes have a score of
    ``min_score`` at least, and are among the ``candidates`` best."""
    by_role: dict[str, list[Output]] = {}
    for output in outputs:
        by_role.setdefault(output.spec.role, []).append(output)

    def named(role: str) -> dict[str, Array]:
        return {item.spec.name: np.asarray(given[item.spec.name])[0] for item in by_role.get(role, [])}

    def names_of(role: str) -> Sequence[str] | None:
        return labels if any(item.labels is not None for item in by_role.get(role, [])) else None

    boxes = None
    if "boxes" in by_role and "box_scores" in by_role:
        role = "box_classes" if "box_classes" in by_role else "box_scores"
        boxes = _boxes(
            by_role, given, placed, size, names_of(role), min_score, candidates, is_suppressed=is_suppressed
        )
    maps = {
        name: ClassMap(_at_photograph(found, placed, size), names_of("class_map"))
        for name, found in named("class_map").items()
    }
    for name, scores in named("class_scores").items():
        maps[name] = ClassMap(_at_photograph(scores.argmax(0), placed, size), names_of("class_scores"))
    masks = {
        name: Masks(np.stack([_at_photograph(mask > _SURE, placed, size) for mask in found]))
        for name, found in named("masks").items()
        if len(found)
    }
    points = {
        item.spec.name: Points(_points(item, np.asarray(given[item.spec.name])[0], placed, size))
        for item in by_role.get("keypoints", [])
    }
    pictures = {name: Picture(_pixels(found)) for name, found in named("image").items()}
    return Seen(boxes, maps, masks, points, pictures)


def _boxes(
    by_role: Mapping[str, Sequence[Output]],
    given: Mapping[str, Array],
    placed: Placement,
    size: tuple[int, int],
    labels: Sequence[str] | None,
    min_score: float,
    candidates: int,
    *,
    is_suppressed: bool,
) -> tuple[Box, ...]:
    """The best first; a box of several scores is of the class of the largest."""
    where = by_role["boxes"][0]
    boxes = np.asarray(given[where.spec.name])[0].astype(np.float64)
    scores = np.asarray(given[by_role["box_scores"][0].spec.name])[0].astype(np.float64)
    classes = scores.argmax(-1) if scores.ndim > 1 else np.zeros(len(scores), np.int64)
    if "box_classes" in by_role:
        classes = np.asarray(given[by_role["box_classes"][0].spec.name])[0]
    best = scores.max(-1) if scores.ndim > 1 else scores
    assert where.coordinates is not None
    if where.coordinates.form == "center_size":
        half = boxes[:, 2:] / 2
        boxes = np.concatenate((boxes[:, :2] - half, boxes[:, :2] + half), 1)
    corners = _in_photograph(boxes.reshape(-1, 2), where.coordinates.unit, placed, size).reshape(-1, 4)
    order = np.argsort(-best, kind="stable")
    order = order[(best[order] >= min_score) & (best[order] > 0)][:candidates]
    if not is_suppressed:
        order = order[_kept(corners[order], classes[order])]
    limit = np.array([placed.width, placed.height] * 2, np.float64)
    return tuple(
        Box(
            int(classes[at]),
            labels[int(classes[at])] if labels is not None and 0 <= classes[at] < len(labels) else None,
            float(best[at]),
            tuple(np.clip(corners[at], 0, limit).tolist()),
        )
        for at in order
    )


def _kept(corners: Array, classes: Array) -> Array:
    """Of boxes, the best first, those that no better one of their class that is kept overlaps."""
    found = np.ones(len(corners), bool)
    for at in range(len(corners)):
        if found[at]:
            others = slice(at + 1, None)
            shares = overlaps(corners[at], corners[others])
            found[others] &= (classes[others] != classes[at]) | (shares <= _OVERLAP)
    return found


def _points(output: Output, found: Array, placed: Placement, size: tuple[int, int]) -> Array:
    flat = found.reshape(-1, found.shape[-1]).astype(np.float64)
    assert output.coordinates is not None
    flat[:, :2] = _in_photograph(flat[:, :2], output.coordinates.unit, placed, size)
    return flat


def _in_photograph(points: Array, unit: str, placed: Placement, size: tuple[int, int]) -> Array:
    """Points (n, 2) of the input in pixels of the photograph."""
    scale = np.array([size[1], size[0]], np.float64) if unit == "shares" else 1.0
    return placed.back(points * scale)


def shown(placed: Placement, size: tuple[int, int]) -> Array:
    """Which pixels of the photograph the input of ``size`` (height, width) shows: truths, (height, width)."""
    rows, columns = _under(placed)
    inside: Array = ((rows >= 0) & (rows < size[0]))[:, None] & ((columns >= 0) & (columns < size[1]))
    return inside


def _at_photograph(values: Array, placed: Placement, size: tuple[int, int]) -> Array:
    """A map of the input, of any size, at the photograph's own: each pixel has the value that lies under its middle, or the nearest
    one where the input does not show it."""
    y, x = _under(placed)
    height, width = values.shape
    rows = np.clip(np.floor(y * height / size[0]).astype(int), 0, height - 1)
    columns = np.clip(np.floor(x * width / size[1]).astype(int), 0, width - 1)
    found: Array = values[rows][:, columns]
    return found


def _under(placed: Placement) -> tuple[Array, Array]:
    """Where in the input the middles of the photograph's rows and columns are, in pixels."""
    middles_x, middles_y = np.arange(placed.width) + 0.5, np.arange(placed.height) + 0.5
    x = placed.there(np.stack((middles_x, np.zeros(placed.width)), 1))[:, 0]
    y = placed.there(np.stack((np.zeros(placed.height), middles_y), 1))[:, 1]
    return y, x


def _pixels(picture: Array) -> Array:
    """An image of shares from 0 to 1, or of pixels where one is larger than 2; (channels, height, width) to 8 bits."""
    numbers = np.nan_to_num(picture.astype(np.float64))
    scaled = numbers if numbers.max(initial=0.0) > 2 else numbers * 255
    found: Array = np.clip(np.rint(scaled), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return found
