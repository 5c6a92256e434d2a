"""Folding layers that stand one below the other into columns side by side, cut where few connections run."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Columns", "fold"]

_WIDE = 1.4  # of a screen: its width over its height
_GUTTER, _LANE = 48.0, 7.0  # pixels between columns, and for each connection that turns there
_MOST_LANES = 12
_MOST_COLUMNS = 60
_LEAST_LAYERS = 16  # of a column
_SLACK = 0.2  # of a column's layers: how far a cut may be from its even place

Point = tuple[float, float]


@dataclass(frozen=True)
class Columns:
    """``firsts`` is the first layer of each column, ``lefts`` where it begins from the left, ``shifts`` what is added to the pixels
    of its places. ``depth`` is the number of layers of the longest, ``row`` the pixels of one."""

    firsts: tuple[int, ...]
    lefts: tuple[float, ...]
    shifts: tuple[float, ...]
    width: float
    depth: int
    row: float

    def of(self, layer: int) -> int:
        """The column of a layer."""
        return bisect.bisect_right(self.firsts, layer) - 1

    def shift(self, layer: int) -> tuple[float, int]:
        """What is added to the pixels from the left in the layer's column, and the column's first layer."""
        column = self.of(layer)
        return self.shifts[column], self.firsts[column]

    def turns(self, columns: tuple[int, int], start: Point, end: Point, lane: int) -> Iterator[Point]:
        """The points between the ``start`` of a connection in one of two neighbouring columns and its ``end`` in the other: below all of
        the first, up between both, and down from above the second. ``lane`` counts those that turn there."""
        before, after = columns
        aside = lane % _MOST_LANES * _LANE
        between = self.lefts[max(before, after)] - _GUTTER / 2 - aside
        low = (self.depth + 0.15) * self.row + aside
        high = 0.1 * self.row - aside / 4
        (first, second) = (low, high) if before < after else (high, low)
        yield from ((start[0], first), (between, first), (between, second), (end[0], second))


def fold(reach: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]], row: float) -> Columns:
    """``reach`` is how far each layer reaches to the left and right in pixels, ``edges`` connect layers, ``row`` is a layer's height."""
    crossing = _crossing(len(reach), edges)
    most = max(1, min(_MOST_COLUMNS, len(reach) // _LEAST_LAYERS))
    every = (_cut(reach, crossing, number, row) for number in range(1, most + 1))
    return min(every, key=lambda columns: abs(columns.width / ((columns.depth + 1) * row) - _WIDE))


def _crossing(layers: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """How many connections run between each layer and the one before it."""
    change = [0] * (layers + 1)
    for ends in edges:
        change[min(ends) + 1] += 1
        change[max(ends) + 1] -= 1
    return list(itertools.accumulate(change))[:layers]


def _cut(reach: Sequence[tuple[float, float]], crossing: Sequence[int], number: int, row: float) -> Columns:
    """So many columns, each as long as the others as far as good places for a cut allow."""
    length = len(reach) / number
    firsts = [0]
    for column in range(1, number):
        even, slack = column * length, max(1.0, _SLACK * length)
        near = range(max(firsts[-1] + 1, int(even - slack)), min(len(reach), int(even + slack) + 1))
        if near:
            firsts.append(min(near, key=lambda layer: (crossing[layer], abs(layer - even))))
    lefts, shifts, width = [], [], 0.0
    for first, last in itertools.pairwise([*firsts, len(reach)]):
        if first:
            width += _GUTTER + _LANE * min(crossing[first], _MOST_LANES)
        left = min(start for start, _ in reach[first:last])
        lefts.append(width)
        shifts.append(width - left)
        width += max(end for _, end in reach[first:last]) - left
    depth = max(last - first for first, last in itertools.pairwise([*firsts, len(reach)]))
    return Columns(tuple(firsts), tuple(lefts), tuple(shifts), width, depth, row)
