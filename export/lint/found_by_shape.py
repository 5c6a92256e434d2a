"""What rules see in operators, shapes, types and constants alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ..formats.view import Kind, OperatorView
from .graph import Graph
from .rule import Sighting

__all__ = [
    "averages_over_the_edge",
    "indices_at_the_end",
    "islands",
    "large_depthwise",
    "long_softmax",
    "rank_3_attention",
    "ranks_above_4",
    "shapes_that_are_computed",
    "small_epsilons",
    "two_axes_before_an_activation",
]

MOST_AXES = 4
MOST_TAPS = 25  # of XNNPACK's depthwise kernels
LONGEST_AXIS = 16_384
SMALLEST_NORMAL = 2.0**-14  # of float16
_ATTENDED = 3  # axes of an attention without heads, or with heads among the batch
_ROWS = 2

# What may stand between a product and the activation or the softmax that it is for.
_BESIDES = (Kind.ADD, Kind.SCALE, Kind.DIVIDE, Kind.CAST)
_MOVING = (Kind.MOVE, Kind.CAST, Kind.SLICE, Kind.JOIN)
_INDICES = (Kind.ARGMAX, Kind.TOPK, Kind.GATHER)


def ranks_above_4(graph: Graph) -> Iterator[Sighting]:
    """One for all operators in a row."""

    def is_above(operator: OperatorView) -> bool:
        return any(len(graph.shape(name)) > MOST_AXES for name in operator.outputs)

    for group in graph.groups(is_above):
        shape = next(graph.shape(name) for name in group[0].outputs if len(graph.shape(name)) > MOST_AXES)
        yield Sighting(group[0], f"{len(shape)} axes, {_in_words(shape)}{_and_more(group)}")


def islands(graph: Graph) -> Iterator[Sighting]:
    """What computes in float32 among float16; what only moves or converts numbers does not compute."""
    silent = (*_MOVING, Kind.SHAPE)

    def is_wide(operator: OperatorView) -> bool:
        return operator.kind not in silent and any(
            graph.dtype(name) == "float32" for name in operator.outputs
        )

    for group in graph.groups(is_wide):
        yield Sighting(group[0], f"computed in float32{_and_more(group)}")


def two_axes_before_an_activation(graph: Graph) -> Iterator[Sighting]:
    for operator in graph.of(Kind.LAYER, Kind.PRODUCT):
        if len(graph.shape(operator.value)) != _ROWS:
            continue
        after = graph.after(operator, _BESIDES)
        found = next((item for item in after if item.kind in (Kind.ACTIVATION, Kind.SOFTPLUS)), None)
        if found is not None:
            yield Sighting(
                operator, f"{_in_words(graph.shape(operator.value))}, then {found.native} {found.value}"
            )


def rank_3_attention(graph: Graph) -> Iterator[Sighting]:
    """At the product that gives the scores."""
    for operator in graph.of(Kind.ATTENTION):
        if len(graph.shape(operator.value)) == _ATTENDED:
            yield Sighting(operator, _in_words(graph.shape(operator.value)))
    for softmax in graph.of(Kind.SOFTMAX):
        scores = [item for item in graph.before(softmax, _BESIDES) if item.kind is Kind.PRODUCT]
        mixed = [item for item in graph.after(softmax, _BESIDES) if item.kind is Kind.PRODUCT]
        for product in scores if mixed else ():
            if len(graph.shape(product.value)) == _ATTENDED:
                yield Sighting(
                    product,
                    f"scores {_in_words(graph.shape(product.value))}, then {softmax.native} {softmax.value}",
                )


def small_epsilons(graph: Graph) -> Iterator[Sighting]:
    """Those of normalizations, and numbers that are added to, or bound from below, what a root or a quotient takes."""
    for operator in graph.of(Kind.NORMALIZATION):
        yield from _if_small(operator, operator.numbers.get("epsilon"), "epsilon")
    for operator in graph.of(Kind.ADD, Kind.LARGER):
        users = graph.readers.get(operator.value, ())
        if any(_takes_no_zero(user, operator.value) for user in users):
            yield from _if_small(operator, operator.numbers.get("constant"), "a constant")


def _takes_no_zero(user: OperatorView, value: str) -> bool:
    return user.kind in (Kind.ROOT, Kind.LOGARITHM) or (
        user.kind is Kind.DIVIDE and user.inputs[-1:] == (value,)
    )


def _if_small(operator: OperatorView, number: float | None, what: str) -> Iterable[Sighting]:
    if number is None or not 0 <= number < SMALLEST_NORMAL:
        return []
    said = f"{number:.3g}" if number else "0, which is what float16 makes of it"
    return [Sighting(operator, f"{what} is {said}; float16 has normal numbers from {SMALLEST_NORMAL:.2g} on")]


def shapes_that_are_computed(graph: Graph) -> Iterator[Sighting]:
    for operator in graph.of(Kind.SHAPE):
        of = ", ".join(operator.inputs) or "a constant"
        yield Sighting(operator, f"sizes of {of} are computed when the model runs")


def averages_over_the_edge(graph: Graph) -> Iterator[Sighting]:
    """In ceil mode, where a window does reach over the edge."""
    for operator in graph.of(Kind.AVERAGE_POOLING):
        if "ceil mode" not in operator.words:
            continue
        over = max(_reaches(graph, operator), default=None)
        if over is None:
            yield Sighting(
                operator, "its sizes are not known, so that its last window may reach beyond the edge"
            )
        elif over > 0:
            how = "counts" if "padding counts" in operator.words else "does not count"
            yield Sighting(operator, f"the last window reaches {over} beyond the edge; what lies there {how}")


def _reaches(graph: Graph, operator: OperatorView) -> Iterator[int]:
    """How far the last window reaches behind the input and its padding, by axis."""
    kernel, stride, pad = (operator.sizes.get(name, ()) for name in ("kernel", "stride", "pad"))
    before, after = graph.shape(next(iter(operator.inputs), "")), graph.shape(operator.value)
    if not kernel or len(stride) != len(kernel) or len(before) != len(after) or len(before) < len(kernel):
        return
    sizes = zip(before[-len(kernel) :], after[-len(kernel) :], kernel, stride, strict=True)
    for axis, (given, made, taps, step) in enumerate(sizes):
        if given is not None and made is not None:
            yield (made - 1) * step + taps - given - sum(pad[2 * axis : 2 * axis + 2])


def large_depthwise(graph: Graph) -> Iterator[Sighting]:
    for operator in graph.of(Kind.CONVOLUTION):
        kernel = operator.sizes.get("kernel", ())
        if "depthwise" in operator.words and math.prod(kernel) > MOST_TAPS:
            yield Sighting(operator, f"{' x '.join(map(str, kernel))} taps, {math.prod(kernel)}")


def long_softmax(graph: Graph) -> Iterator[Sighting]:
    for operator in graph.of(Kind.SOFTMAX):
        shape = graph.shape(operator.value)
        longest = max(
            (shape[axis] or 0 for axis in operator.sizes.get("axes", ()) if axis < len(shape)), default=0
        )
        if longest > LONGEST_AXIS:
            yield Sighting(operator, f"over {longest:,} places")


def indices_at_the_end(graph: Graph) -> Iterator[Sighting]:
    """Those that outputs are reached from with nothing but moves, and others of them, between."""
    seen: set[str] = set()
    waiting = [graph.makers[name] for name in graph.view.outputs if name in graph.makers]
    while waiting:
        operator = waiting.pop(0)
        if operator.value in seen or operator.kind not in (*_MOVING, *_INDICES):
            continue
        seen.add(operator.value)
        waiting += [graph.makers[name] for name in operator.inputs if name in graph.makers]
    for operator in graph.of(*_INDICES):
        if operator.value in seen:
            yield Sighting(operator, f"an output is made of this {operator.kind.value} by nothing but moves")


def _in_words(shape: tuple[int | None, ...]) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape)


def _and_more(group: list[OperatorView]) -> str:
    more = len(group) - 1
    return "" if not more else f", and {more} {'operator' if more == 1 else 'operators'} that read it"
