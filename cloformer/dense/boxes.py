"""Anchors, and boxes as distances from them (R. Girshick et al., "Rich feature hierarchies", 2014, Appendix C).

Boxes are (left, top, right, bottom) in pixels of the network's input, whose first pixel reaches from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["RATIOS", "SCALES", "anchors_of_map", "cell_anchors", "decode", "encode"]

RATIOS = (0.5, 1.0, 2.0)  # height over width
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
# A box is at most this much wider than its anchor: exp of more would leave every image.
MAX_GROWTH = math.log(1000 / 16)


def cell_anchors(size: float, ratios: Sequence[float] = RATIOS, scales: Sequence[float] = SCALES) -> Tensor:
    """The anchors of one place, around (0, 0): for each ratio all scales, (ratios * scales, 4). Each has the area of
    (``size`` * scale) squared."""
    rows = []
    for ratio in ratios:
        for scale in scales:
            half_height = size * scale * math.sqrt(ratio) / 2
            half_width = size * scale / math.sqrt(ratio) / 2
            rows.append((-half_width, -half_height, half_width, half_height))
    return torch.tensor(rows, dtype=torch.float32)


def anchors_of_map(height: int, width: int, stride: int, cell: Tensor) -> Tensor:
    """The anchors of every place of a map, row by row, all of ``cell`` at each: (height * width * A, 4). The first place's are
    around pixel (0, 0), and each next one's ``stride`` pixels further."""
    ys = torch.arange(height, dtype=torch.float32) * stride
    xs = torch.arange(width, dtype=torch.float32) * stride
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    shifts = torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4)
    return (shifts + cell).reshape(-1, 4)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """How ``boxes`` (..., 4) differ from ``anchors`` (..., 4): the centre's way over the anchor's size, and the logarithm of how many
    times as wide and as high."""
    centre, size = _centre_and_size(boxes)
    from_centre, from_size = _centre_and_size(anchors)
    return torch.cat(((centre - from_centre) / from_size, torch.log(size / from_size)), dim=-1)


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The boxes that differ from ``anchors`` by ``deltas``: the inverse of :func:`encode`, but for growth beyond ``MAX_GROWTH``."""
    from_centre, from_size = _centre_and_size(anchors)
    centre = from_centre + deltas[..., :2] * from_size
    half = torch.exp(deltas[..., 2:].clamp(max=MAX_GROWTH)) * (0.5 * from_size)
    return torch.cat((centre - half, centre + half), dim=-1)


def _centre_and_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    start, end = boxes[..., :2], boxes[..., 2:]
    return (start + end) * 0.5, end - start
