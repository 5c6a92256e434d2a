"""Suppression as everybody writes it, one box after the other, in float64: what the graph's is held to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cloformer.export.source.suppression_rule import Suppression

__all__ = ["Drawn", "drawn", "suppressed"]

NEAR = 1e-5  # of the threshold: where an overlap is so near, rounding decides


@dataclass(frozen=True)
class Drawn:
    """Boxes (N, 4) as xyxy and their scores (N, classes), in float32."""

    boxes: np.ndarray
    scores: np.ndarray


def drawn(seed: int, count: int, classes: int, side: float = 100.0) -> Drawn:
    """Boxes in crowds around a few places, some of them twice, of no size, or all over; scores with ties, none or all above the
    threshold."""
    generator = np.random.default_rng(seed)
    kind = seed % 5
    centres = generator.uniform(0, side, (max(1, count // 6), 2))
    centre = centres[generator.integers(0, len(centres), count)] + generator.normal(0, 4, (count, 2))
    if kind == 1:
        centre = generator.uniform(-5, side + 5, (count, 2))
    half = generator.uniform(0, 14, (count, 2)) * (generator.random((count, 1)) > 0.05)
    boxes = np.concatenate((centre - half, centre + half), 1).astype(np.float32)
    scores = generator.random((count, classes)).astype(np.float32)
    if kind in (2, 3):  # ties, of scores and of whole boxes
        scores = np.round(scores * 4).astype(np.float32) / 4
        boxes[count // 2 :] = boxes[: count - count // 2]
    if kind == 4:
        scores *= np.float32(0.02 if seed % 2 else 1.0)
    return Drawn(boxes, scores)


def suppressed(case: Drawn, rule: Suppression) -> tuple[list[tuple[int, int]], bool]:
    """The boxes that are kept, as (index, class), the best first; and whether an overlap is so near the threshold that rounding
    decides."""
    boxes, best, label = case.boxes.astype(np.float64), case.scores.max(1), case.scores.argmax(1)
    order = sorted(range(len(best)), key=lambda at: (-best[at], at))[: rule.candidates]
    kept: list[int] = []
    is_near = False
    for at in order:
        if not best[at] > np.float32(rule.score_threshold):
            break
        shares = [_share(boxes[at], boxes[other]) for other in kept if label[other] == label[at]]
        is_near |= any(abs(share - rule.iou_threshold) < NEAR for share in shares)
        if not any(share > rule.iou_threshold for share in shares):
            kept.append(at)
    return [(at, int(label[at])) for at in kept[: rule.max_detections]], is_near


def _share(one: np.ndarray, other: np.ndarray) -> float:
    across, down = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = max(across, 0.0) * max(down, 0.0)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _area(box: np.ndarray) -> float:
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))
