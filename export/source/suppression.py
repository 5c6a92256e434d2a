"""Greedy suppression of boxes as operators that every format has: no loop, no list whose length depends on values.

A box is kept if no better one that is kept overlaps it, of the same class, by more than a share of their union. With *S* the matrix
that says which better boxes overlap which, the kept ones are the fixed point of ``keep = valid and not S keep``. Computed again and
again from all that are valid, the best box is settled at once, what it overlaps a step later, the next that is kept a step after
that: after 2 M steps the first M that are kept, and all before them, are those of the greedy loop.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .roles import Coordinates
from .suppression_rule import Suppression

__all__ = ["ForPipeline", "Suppress"]


class Suppress(nn.Module):
    """Boxes (B, N, 4) in ``coordinates``, of an input of ``size`` (height, width), and their scores (B, N) or (B, N, classes) to the M best
    that are kept, the best first: boxes (B, M, 4) as xyxy in pixels, within the input, scores (B, M), and classes (B, M), int64.

    A box has the class of its largest score, the first of several; of equal scores the box with the smaller index is the better
    one. Where fewer are kept, the rest is zeros. Only the boxes' own numbers may be narrow: all else is to be computed in float32.
    """

    def __init__(self, suppression: Suppression, coordinates: Coordinates, size: tuple[int, int]) -> None:
        super().__init__()
        self.suppression, self.coordinates, self.size = suppression, coordinates, size

    def forward(
        self, boxes: Tensor, scores: Tensor, classes: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        boxes = self.in_pixels(boxes)
        best = scores if scores.ndim == 2 else scores.amax(-1)
        if classes is None:
            classes = torch.zeros_like(best, dtype=torch.int64) if scores.ndim == 2 else scores.argmax(-1)
        places = torch.arange(best.shape[1], device=best.device).expand_as(best)
        if best.shape[1] > self.suppression.candidates:
            best, places = best.topk(self.suppression.candidates, dim=1)
            classes = classes.gather(1, places)
            boxes = boxes.gather(1, places.unsqueeze(-1).expand(-1, -1, 4))
        better = _better(best, places)
        suppresses = better * self.overlap(boxes) * _equal(classes)
        keep = self.kept(suppresses, (best > self.suppression.score_threshold).to(best.dtype))
        chosen = self.chosen(better, keep)
        limit = torch.tensor([self.size[1], self.size[0]] * 2, dtype=boxes.dtype, device=boxes.device)
        inside = torch.minimum(boxes.clamp(min=0), limit)
        labels = (chosen @ classes.to(best.dtype).unsqueeze(-1)).squeeze(-1)
        return chosen @ inside, (chosen @ best.unsqueeze(-1)).squeeze(-1), labels.round().to(torch.int64)

    def in_pixels(self, boxes: Tensor) -> Tensor:
        """As left, top, right, bottom in pixels."""
        if self.coordinates.form == "center_size":
            centre, half = boxes[..., :2], boxes[..., 2:] * 0.5
            boxes = torch.cat((centre - half, centre + half), -1)
        if self.coordinates.unit == "shares":
            boxes = boxes * torch.tensor(
                [self.size[1], self.size[0]] * 2, dtype=boxes.dtype, device=boxes.device
            )
        return boxes

    def overlap(self, boxes: Tensor) -> Tensor:
        """1 where two boxes overlap by more than the threshold of their union: (B, K, K)."""
        left, top, right, bottom = (boxes[..., place] for place in range(4))
        across = _least(right) - _most(left)
        down = _least(bottom) - _most(top)
        shared = across.clamp(min=0) * down.clamp(min=0)
        area = (right - left).clamp(min=0) * (bottom - top).clamp(min=0)
        union = area.unsqueeze(2) + area.unsqueeze(1) - shared
        return (shared > self.suppression.iou_threshold * union).to(boxes.dtype)

    def kept(self, suppresses: Tensor, valid: Tensor) -> Tensor:
        """The fixed point, as far as it decides: 1 for what is kept, (B, K)."""
        valid = valid.unsqueeze(-1)
        keep = valid
        for _ in range(min(2 * self.suppression.max_detections, valid.shape[1])):
            keep = torch.relu(valid - suppresses @ keep)
        return keep.squeeze(-1)

    def chosen(self, better: Tensor, keep: Tensor) -> Tensor:
        """A row for each detection, with a 1 at its box: (B, M, K)."""
        before = (better @ keep.unsqueeze(-1)).squeeze(-1)  # how many that are kept are better
        slots = torch.arange(self.suppression.max_detections, dtype=before.dtype, device=before.device)
        is_its = (before.unsqueeze(1) == slots.reshape(1, -1, 1)).to(keep.dtype)
        return is_its * keep.unsqueeze(1)


class ForPipeline(nn.Module):
    """Boxes (B, N, 4) in ``coordinates``, of an input of ``size`` (height, width), and their scores (B, N) or (B, N, classes), as Core ML's
    own stage of suppression takes them: centre and size in shares of the input, and a score for each class, also of one."""

    def __init__(self, coordinates: Coordinates, size: tuple[int, int]) -> None:
        super().__init__()
        self.coordinates, self.size = coordinates, size

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        if self.coordinates.form == "xyxy":
            first, last = boxes[..., :2], boxes[..., 2:]
            boxes = torch.cat(((first + last) * 0.5, last - first), -1)
        if self.coordinates.unit == "pixels":
            sides = torch.tensor([self.size[1], self.size[0]] * 2, dtype=boxes.dtype, device=boxes.device)
            boxes = boxes / sides
        return boxes, scores.unsqueeze(-1) if scores.ndim == 2 else scores


def _better(scores: Tensor, places: Tensor) -> Tensor:
    """1 in row i and column j where box j is better than box i: (B, K, K)."""
    more = scores.unsqueeze(1) > scores.unsqueeze(2)
    same = scores.unsqueeze(1) == scores.unsqueeze(2)
    before = places.unsqueeze(1) < places.unsqueeze(2)
    return (more | (same & before)).to(scores.dtype)


def _equal(classes: Tensor) -> Tensor:
    return (classes.unsqueeze(1) == classes.unsqueeze(2)).to(torch.float32)


def _least(side: Tensor) -> Tensor:
    return torch.minimum(side.unsqueeze(1), side.unsqueeze(2))


def _most(side: Tensor) -> Tensor:
    return torch.maximum(side.unsqueeze(1), side.unsqueeze(2))
