"""What ONNX Runtime takes for a depthwise convolution and its pieces on arm64, in instructions for each channel.

The numbers are fitted to counts of single operators on an emulated Cortex-A76 in float32, ONNX Runtime 1.31.1; `make depthwise-costs`
counts whole forms beside what these functions say, which is within a fifth.
"""

from __future__ import annotations

import math

__all__ = ["as_it_is", "between", "copied", "cut", "flat_padded", "put_beside", "small", "turned"]


def small(rows: int, columns: int, *, padded: bool) -> float:
    """3 x 3 taps of stride 1, ``padded`` by 1 or not at all: the one kernel that the runtime has for a channel by itself. Four
    columns at once, what is left over and the borders one by one."""
    inner = columns - 2 * padded
    return rows * (59 + 35 * (inner // 4) + 32 * (inner % 4) + 85 * 2 * padded)


def as_it_is(rows: int, columns: int, taps: int, *, strided: bool, filters: int = 1) -> float:
    """Any other kernel: what each tap reads is copied, and multiplied by a matrix of a row for each filter."""
    each, start = (7.1, 31) if strided else (1.87, 59)
    return taps * rows * (each * columns + start) * (1 + 0.3 * (filters - 1))


def products(filters: int, length: int, rows: int) -> float:
    """A matrix of ``filters`` rows and ``length`` columns times one that is laid out anew: a column of it for each row of the map."""
    by_four = math.ceil(filters / 4)
    return (
        267
        + length * (1.23 * rows + 4.24 * by_four * math.ceil(rows / 4) + 2.25 * by_four + 3.7)
        + 2.7 * filters * rows
    )


def put_beside(rows: int, columns: int) -> float:
    """Every row copied into one that has room for more."""
    return rows * (65 + 0.6 * columns)


def cut(rows: int, columns: int) -> float:
    """Of every row a part copied out."""
    return rows * (66 + 0.6 * columns)


def copied(numbers: int) -> float:
    """Numbers that lie one after another."""
    return 60 + 0.65 * numbers


def flat_padded(numbers: int) -> float:
    """The same, with zeros in front and behind."""
    return 150 + 1.1 * numbers


def turned(numbers: int) -> float:
    """Rows made columns."""
    return 200 + 1.6 * numbers


def between(numbers: int) -> float:
    """Two maps added."""
    return 20 + 1.0 * numbers
