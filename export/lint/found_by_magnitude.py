"""What rules see in numbers that were met."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..formats.coreml.cliffs import SLICE_LIMIT, SOFTPLUS_LIMIT
from ..formats.view import Kind, OperatorView
from .graph import Graph
from .rule import Sighting

__all__ = [
    "MEASURED",
    "logsumexp_beyond_half",
    "slices_off_zero",
    "softplus_above_its_end",
    "sums_beyond_half",
]

MEASURED = (
    Kind.SOFTPLUS, Kind.LOGSUMEXP, Kind.LOGARITHM, Kind.SUM, Kind.MEAN, Kind.SQUARES, Kind.NORMALIZATION, Kind.SLICE,
)  # fmt: skip
HALF = 65_504.0  # the largest float16
END_OF_LOGSUMEXP = 7.6 + math.log(32)  # 32 exponentials of 7.6 together


def softplus_above_its_end(graph: Graph) -> Iterator[Sighting]:
    for operator in graph.of(Kind.SOFTPLUS):
        highest = graph.met(operator).highest
        if highest.number > SOFTPLUS_LIMIT:
            yield Sighting(operator, f"it is fed {highest}; above {SOFTPLUS_LIMIT:g} it gives 0")


def logsumexp_beyond_half(graph: Graph) -> Iterator[Sighting]:
    """As an operator, and written out as the logarithm of a sum of exponentials. Where the maximum was subtracted, the result is at
    most the logarithm of how many there are."""
    for operator in graph.of(Kind.LOGSUMEXP, Kind.LOGARITHM):
        gives = graph.met(operator).gives
        if gives.number <= END_OF_LOGSUMEXP:
            continue
        if operator.kind is Kind.LOGSUMEXP or _is_of_exponentials(graph, operator):
            yield Sighting(
                operator, f"it gives {gives}; the logarithm of float16's end is {math.log(HALF):.4g}"
            )


def _is_of_exponentials(graph: Graph, logarithm: OperatorView) -> bool:
    sums = [
        item for item in graph.before(logarithm, (Kind.MOVE, Kind.CAST, Kind.ADD)) if item.kind is Kind.SUM
    ]
    return any(
        before.kind is Kind.EXPONENTIAL
        for item in sums
        for before in graph.before(item, (Kind.MOVE, Kind.CAST))
    )


def sums_beyond_half(graph: Graph) -> Iterator[Sighting]:
    for operator in graph.of(Kind.SUM, Kind.MEAN, Kind.SQUARES, Kind.NORMALIZATION):
        total = graph.met(operator).total
        if total.number > HALF:
            what = "squares" if operator.kind in (Kind.SQUARES, Kind.NORMALIZATION) else "magnitudes"
            yield Sighting(operator, f"{what} that add up to {total}; float16 ends at {HALF:,.0f}")


def slices_off_zero(graph: Graph) -> Iterator[Sighting]:
    for operator in graph.of(Kind.SLICE):
        begin, largest = operator.sizes.get("begin", ()), graph.met(operator).largest
        if begin and begin[-1] > 0 and largest.number > SLICE_LIMIT:
            yield Sighting(operator, f"it begins at {begin[-1]} of the last axis and takes {largest}")
