"""Which operator of the file each one is that the delegate XNNPACK timed.

The delegate runs its operators in the order of the file's, and calls them by names of its own. It makes some of the file's a part of
another, and some of its own beside one of the file's: zeros around an image, a table in the place of a function between two roundings,
a clip behind a sum. So both are laid beside each other, kind by kind, with as few left over as can be, and only where what is left
over is of a kind that may be; else nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

__all__ = ["aligned"]

# What the delegate calls the operators of a kind, as LiteRT names these. Of other kinds it is a name that none of these have.
_SAID = {
    "ADD": ("Add",), "AVERAGE_POOL_2D": ("Average Pooling", "Global Average Pooling"),
    "BATCH_MATMUL": ("Batch Matrix Multiply",), "CONCATENATION": ("Copy", "Concatenate"), "CONV_2D": ("Convolution", "Fully Connected"),
    "DEPTHWISE_CONV_2D": ("Convolution",), "DEQUANTIZE": ("Convert",), "FULLY_CONNECTED": ("Fully Connected",),
    "MAX_POOL_2D": ("Max Pooling",), "MEAN": ("Mean", "Global Average Pooling"), "MUL": ("Multiply",),
    "PAD": ("Constant Pad",), "QUANTIZE": ("Convert",), "RESHAPE": ("Static Reshape", "Copy", "Reshape"),
    "SLICE": ("Slice",), "SOFTMAX": ("Softmax",), "SUB": ("Subtract",), "TRANSPOSE": ("Transpose",),
}  # fmt: skip
_NAMES = tuple(name for names in _SAID.values() for name in names)
_LEFT_OPERATORS = frozenset({"DEQUANTIZE", "EXPAND_DIMS", "QUANTIZE", "RESHAPE", "SQUEEZE", "TRANSPOSE"})
_BEFORE = ("Convert", "Static Reshape", "Copy", "Transpose")  # what is left over, and is for the next
_BEHIND = ("Clamp",)  # and for the one before
_BAND = 64  # operators that may be left over on the way, more than at the end


def aligned(kinds: Sequence[str], names: Sequence[str]) -> list[list[int]] | None:
    """For each of the file's operators, by their ``kinds``, the delegate's that it is, by the places of their ``names``; none for one that
    is a part of another. None if they do not fit together."""
    steps = _steps(kinds, names)
    if steps is None:
        return None
    found: list[list[int]] = [[] for _ in kinds]
    waiting: list[int] = []
    last: int | None = None
    for operator, event in steps:
        if operator is None and event is not None and names[event].startswith(_BEHIND) and last is not None:
            found[last].append(event)
        elif operator is None and event is not None:
            waiting.append(event)
        elif operator is not None and event is not None:
            found[operator] = [*waiting, event]
            waiting, last = [], operator
    if last is not None:
        found[last] += waiting
    return found


Step = tuple[int | None, int | None]


def _steps(kinds: Sequence[str], names: Sequence[str]) -> list[Step] | None:
    """The pairs, and what is left over on either side, in order: the shortest edit of one sequence into the other."""
    width = _BAND + abs(len(kinds) - len(names))
    costs: list[dict[int, float]] = [{0: 0.0}]
    ways: list[dict[int, Step]] = [{}]
    for row in range(len(kinds) + 1):
        if row:
            costs.append({})
            ways.append({})
        for column in range(max(0, row - width), min(len(names), row + width) + 1):
            options = list(_options(kinds, names, row, column, costs))
            if options:
                costs[row][column], ways[row][column] = min(options, key=lambda item: item[0])
    row, column = len(kinds), len(names)
    if costs[row].get(column, math.inf) == math.inf:
        return None
    found: list[Step] = []
    while row or column:
        step = ways[row][column]
        found.append(step)
        row, column = row - (step[0] is not None), column - (step[1] is not None)
    return found[::-1]


def _options(
    kinds: Sequence[str], names: Sequence[str], row: int, column: int, costs: Sequence[dict[int, float]]
) -> Iterator[tuple[float, Step]]:
    """The ways to come to a place, each with what it costs."""
    if row and column and _is_it(kinds[row - 1], names[column - 1]):
        yield costs[row - 1].get(column - 1, math.inf), (row - 1, column - 1)
    if row and kinds[row - 1] in _LEFT_OPERATORS:
        yield costs[row - 1].get(column, math.inf) + 1, (row - 1, None)
    if column and names[column - 1].startswith((*_BEFORE, *_BEHIND)):
        yield costs[row].get(column - 1, math.inf) + 1, (None, column - 1)


def _is_it(kind: str, name: str) -> bool:
    said = _SAID.get(kind)
    return name.startswith(said) if said is not None else not name.startswith(_NAMES)
