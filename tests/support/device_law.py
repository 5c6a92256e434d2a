"""What apps compute of a model's outputs, in Python: the law of the Kotlin and the Swift code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cloformer.export.artifact.seen import seen_of
from cloformer.export.reference.matching import Detections, matched, matches
from cloformer.export.source.function import Output
from cloformer.export.source.placement import Placement
from cloformer.export.source.roles import Coordinates
from cloformer.export.source.signature import TensorSpec

__all__ = ["MATCHED", "SEEN", "drawn", "manifest_json", "ordered", "seen_json"]

_ALONE = 0.1  # of the boxes may match none: those that a suppression keeps by a hair
_ROLES = ("boxes", "box_scores", "box_classes")


def _boxes(form: str, unit: str, *others: Output, size: int = 6) -> list[Output]:
    return [
        Output(TensorSpec("where", (1, size, 4), role="boxes"), coordinates=Coordinates(form, unit)),
        *others,
    ]


# Outputs, whether the model suppresses, the labels, the size of an image, and of the input (height, width); with a border.
SEEN: list[tuple[list[Output], bool, list[str] | None, tuple[int, int], tuple[int, int]]] = [
    (_boxes("center_size", "shares", Output(TensorSpec("what", (1, 6, 2), role="box_scores"), labels="l")), False, ["cat", "dog"], (13, 7), (6, 8)),
    (_boxes("xyxy", "pixels", Output(TensorSpec("what", (1, 6), role="box_scores"))), False, None, (5, 11), (8, 6)),
    (
        _boxes("xyxy", "pixels", Output(TensorSpec("what", (1, 6), role="box_scores")),
               Output(TensorSpec("classes", (1, 6), "int64", "box_classes"), labels="l")),
        True, ["cat"], (31, 17), (6, 8),
    ),
    ([Output(TensorSpec("map", (1, 3, 4, 2), role="class_scores"))], False, None, (9, 4), (8, 6)),
    ([Output(TensorSpec("map", (1, 2, 3), "int32", "class_map"))], False, None, (9, 4), (8, 6)),
    ([Output(TensorSpec("points", (1, 3, 3), role="keypoints"), coordinates=Coordinates("xy", "shares"))], False, None, (3, 10), (6, 6)),
    ([Output(TensorSpec("points", (1, 2, 2, 2), role="keypoints"), coordinates=Coordinates("xy", "pixels"))], False, None, (64, 10), (6, 6)),
    ([Output(TensorSpec("picture", (1, 3, 2, 3), role="image"))], False, None, (3, 10), (6, 6)),
    ([Output(TensorSpec("depth", (1, 1, 2, 3), role="image"))], False, None, (3, 10), (6, 6)),
]  # fmt: skip


def drawn(draw: np.random.Generator, spec: TensorSpec, *, shares: bool) -> np.ndarray[Any, Any]:
    """Numbers in the place of an output: ties among scores, boxes that overlap, and places beyond the input's edges."""
    if spec.dtype.startswith("int"):
        return draw.integers(0, 3, spec.shape)
    if spec.role == "boxes":
        corner, size = (
            draw.uniform(-0.1, 0.8, (*spec.shape[:2], 2)),
            draw.uniform(0.05, 0.5, (*spec.shape[:2], 2)),
        )
        both = np.concatenate((corner, corner + size), -1)
        return (both if shares else 8 * both).astype(np.float32)
    if spec.role == "box_scores":
        return draw.choice(np.array([0, 0.1, 0.3, 0.5, 0.7, 0.9], np.float32), spec.shape)
    return draw.uniform(-0.1, 1.1, spec.shape).astype(np.float32)


def seen_json(
    outputs: Sequence[Output], given: Mapping[str, np.ndarray[Any, Any]], placed: Placement, size: tuple[int, int],
    labels: Sequence[str] | None, *, is_suppressed: bool,
) -> dict[str, Any]:  # fmt: skip
    """What is seen, with maps of the size that the model gives."""
    seen = seen_of(outputs, given, placed, size, labels, min_score=0.3, is_suppressed=is_suppressed)
    maps = [given[item.spec.name][0] for item in outputs if item.spec.role == "class_map"]
    maps += [given[item.spec.name][0].argmax(0) for item in outputs if item.spec.role == "class_scores"]
    return {
        "boxes": [[box.index, box.label, box.score, *box.corners] for box in seen.boxes or ()],
        "points": [row for points in seen.points.values() for row in points.points.tolist()],
        "maps": [found.reshape(-1).tolist() for found in maps],
        "shares": [[[index, share] for index, share in found.shares.items()] for found in seen.maps.values()],
        "pictures": [found.pixels.repeat(3 // found.pixels.shape[2], 2).reshape(-1).tolist() for found in seen.pictures.values()],
    }  # fmt: skip


def _suppressed(seed: int, change: str) -> tuple[list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]:
    """What is expected of twelve places, of which two hold nothing, and what is given instead."""
    draw = np.random.default_rng(seed)
    corner = np.stack((np.arange(12) % 4 * 20.0, np.arange(12) // 4 * 20.0), 1)
    boxes = np.concatenate((corner, corner + 9 + draw.integers(0, 8, (12, 2))), 1)
    scores = np.where(np.arange(12) < 10, np.linspace(0.9, 0.35, 12).round(3), 0.0)
    classes = draw.integers(0, 3, 12)
    boxes[10:], classes[10:] = 0, 0
    want = [boxes.astype(np.float32)[None], scores.astype(np.float32)[None], classes[None]]
    got = [value.copy() for value in want]
    order = np.arange(12)
    if change == "exchanged":
        order[[2, 3, 6, 7]] = [3, 2, 7, 6]
    elif change == "one is missing":
        order = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 3])
        got = [value[:, order] for value in got]
        got[0][:, 11], got[1][:, 11], got[2][:, 11] = 0, 0, 0
        order = np.arange(12)
    elif change == "three are missing":
        got[1][:, 7:10], got[0][:, 7:10], got[2][:, 7:10] = 0, 0, 0
    elif change == "other classes":
        got[2] = (got[2] + 1) % 3
    elif change == "rising":
        got[1] = got[1][:, ::-1].copy()
    got = [value[:, order] for value in got]
    if change == "exchanged":
        got[1] = -np.sort(-got[1])
    return want, got


MATCHED = {
    change: _suppressed(number, change)
    for number, change in enumerate(
        ("nothing", "exchanged", "one is missing", "three are missing", "other classes", "rising")
    )
}


def ordered(
    given: Sequence[np.ndarray[Any, Any]], want: Sequence[np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any]]:
    """``given`` in the order of the boxes that they match (:func:`matched`); of a few that match none, what is expected."""
    found = matched(given, want, _ROLES)
    if (np.diff(given[1][0]) > 0).any():
        return found
    one, other = (Detections(*(value[0] for value in each)) for each in (want, given))
    pairs, most = matches(one, other), max(len(one.are), len(other.are))
    if most - len(pairs) <= _ALONE * most:
        for place in set(range(len(one.scores))) - pairs.keys():
            for value, expected in zip(found, want, strict=True):
                value[0, place] = expected[0, place]
    return found


def manifest_json(
    outputs: Sequence[Output], size: tuple[int, int], *, is_suppressed: bool, form: str = "coreml"
) -> str:
    """As much of a manifest as an app reads."""
    height, width = size
    rule = {
        "height": height, "width": width, "resize_size": max(size), "interpolation": "bilinear", "crop": "letterbox", "color_order": "RGB",
        "scale": 1 / 255, "mean": [0, 0, 0], "std": [1, 1, 1], "fill": 114,
    }  # fmt: skip
    image = {
        "name": "image", "dtype": "float32", "shape": [1, 3, height, width], "layout": "NCHW", "preprocessing": rule,
        "preprocessing_inside": True,
    }  # fmt: skip
    decoding = {"decoding": {"suppression": {"max_detections": 6}}} if is_suppressed else {}
    return json.dumps({
        "schema_version": 2, "name": "net", "format": form, "precision": {"name": "fp32"}, "model": {"path": "net"},
        "files": [{"path": "net", "role": "model", "sha256": "0", "bytes": 0}], "versions": {"cloformer": "0"},
        "request": {"options": {}, **decoding},
        "functions": [{"name": "main", "inputs": [image], "outputs": [item.to_json() for item in outputs]}],
    })  # fmt: skip
