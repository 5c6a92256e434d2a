"""Faults in what CloFormer does not have: resizing, transposed convolutions, gates with slopes, windows that are pooled with
padding, tables, slices, the scale of attention."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.random import Generator

from .faults import MORE, fault
from .graph import Array, Graph, Operator
from .operators import POOLING, is_kind, one_of

__all__: list[str] = []

_SLOPED = ("clip", "leaky_relu", "sigmoid_hard", "thresholded_relu")
_OTHERS = {
    "sigmoid_hard": ("sigmoid", "relu"),
    "hardswish": ("relu", "identity"),
    "leaky_relu": ("relu", "identity"),
    "clip": ("relu", "identity"),
}


def _change(graph: Graph, operator: Operator, name: str, value: Array) -> None:
    graph.set(operator, name, value.astype(operator.constants[name].dtype))


# Attention


def _is_scale(graph: Graph, operator: Operator) -> bool:
    """One number that is multiplied just before or after a product of two values."""
    constant = operator.constants.get("y")
    if operator.kind != "mul" or constant is None or constant.size != 1:
        return False
    products = [other for other in graph.operators if other.kind == "matmul"]
    return any(
        operator.outputs[0] in other.reads.values() or operator.reads["x"] in other.outputs
        for other in products
    )


@fault("attention's scale wrong", _is_scale, MORE)
def _scale(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["y"].astype(np.float64)
    other = one_of(random, (np.ones_like(value), value**2, value * 2, value / np.sqrt(2)))
    _change(graph, operator, "y", other)
    return f"scaled by {other.item():.4g} instead of {value.item():.4g}"


# Resizing


def _resizes(_graph: Graph, operator: Operator) -> bool:
    return operator.kind in ("resize", "upsample_bilinear", "upsample_nearest_neighbor")


@fault("resized otherwise", _resizes, MORE)
def _resized(graph: Graph, operator: Operator, random: Generator) -> str:
    return graph.resize_otherwise(operator, random)


# Transposed convolutions


def _is_transposed(_graph: Graph, operator: Operator) -> bool:
    return operator.kind == "conv_transpose"


@fault("a transposed convolution's weight wrong", _is_transposed, MORE)
def _transposed(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["weight"]
    one = value.copy()
    place = tuple(int(random.integers(size)) for size in value.shape)
    one[place] *= 1.5
    inputs, outputs = value.copy(), value.copy()
    inputs[[0, 1]], outputs[:, [0, 1]] = value[[1, 0]], value[:, [1, 0]]
    turned, words = one_of(
        random,
        (
            (value[..., ::-1, ::-1], "turned by half, as if it were a convolution's"),
            (value.swapaxes(-1, -2), "height and width exchanged"),
            (one, f"weight{list(place)} times 1.5"),
            (inputs, "the first two input channels exchanged"),
            (outputs, "the first two output channels exchanged"),
        ),
    )
    graph.set(operator, "weight", np.ascontiguousarray(turned))
    return words


@fault("a transposed convolution's bias wrong", _is_transposed, MORE)
def _transposed_bias(graph: Graph, operator: Operator, random: Generator) -> str:
    if random.random() < 0.5:
        graph.drop(operator, "bias")
        return "no bias"
    graph.set(operator, "bias", np.roll(operator.constants["bias"], 1))
    return "every channel has the bias of the one before"


# Gates and their slopes


@fault("another gate", is_kind(*_OTHERS), MORE)
def _gate(graph: Graph, operator: Operator, random: Generator) -> str:
    other = one_of(random, _OTHERS[operator.kind])
    graph.become(operator, other)
    return f"{operator.kind} replaced by {other}"


@fault("a slope or a bound wrong", lambda _graph, operator: operator.kind in _SLOPED, MORE)
def _slope(graph: Graph, operator: Operator, random: Generator) -> str:
    name = one_of(random, [name for name in ("alpha", "beta") if name in operator.constants])
    value = operator.constants[name].astype(np.float64)
    other = value * one_of(random, (0.9, 1.2, 2.0)) + (value == 0) * one_of(random, (-0.1, 0.1))
    _change(graph, operator, name, other)
    return f"{name} is {float(other):.4g} instead of {float(value):.4g}"


# Windows


def _is_pool(_graph: Graph, operator: Operator) -> bool:
    return operator.kind in ("avg_pool", "max_pool")


@fault("pooled windows shifted", lambda g, o: _is_pool(g, o) and max(o.numbers("pad")) > 0, MORE)
def _shifted(graph: Graph, operator: Operator, random: Generator) -> str:
    before, after, left, right = operator.numbers("pad")
    step = one_of(random, (-1, 1))
    pad = [before + step, after - step, left + step, right - step]
    graph.set(operator, "pad", np.array(pad))
    return f"padding {pad} instead of {[before, after, left, right]} (top, bottom, left, right)"


@fault("padding counted otherwise", lambda g, o: o.kind == "avg_pool" and max(o.numbers("pad")) > 0, MORE)
def _counted(graph: Graph, operator: Operator, _random: Generator) -> str:
    name = next(
        name for name in ("count_include_pad", "exclude_padding_from_average") if name in operator.constants
    )
    graph.set(operator, name, np.array(not operator.constants[name]))
    return f"{name} is {not operator.constants[name]}"


@fault("the mean instead of the maximum", is_kind("max_pool"), MORE)
def _mean(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.become(operator, "avg_pool", keep=POOLING)
    return "max_pool replaced by avg_pool"


@fault("the mean instead of the sum", is_kind("reduce_sum"), MORE)
def _not_summed(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.become(operator, "reduce_mean", keep=("axes", "keep_dims", "keepdims", "noop_with_empty_axes"))
    return "reduce_sum replaced by reduce_mean"


@fault("padded otherwise", lambda graph, operator: operator.kind == "pad", MORE)
def _padded(graph: Graph, operator: Operator, random: Generator) -> str:
    mode = one_of(random, ("constant", graph.edge))
    graph.set(operator, "mode", mode)
    return f"padded by {mode}"


# Tables, pieces, axes


def _is_table(_graph: Graph, operator: Operator) -> bool:
    return operator.kind == "gather" and "x" in operator.constants


@fault("an embedding's table wrong", _is_table, MORE)
def _table(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["x"]
    scaled = value.copy()
    scaled[:, int(random.integers(value.shape[1]))] *= 1.1
    table, words = one_of(
        random, ((np.roll(value, 1, 0), "every row is the one before"), (scaled, "a column times 1.1"))
    )
    graph.set(operator, "x", table)
    return words


def _is_indexed(graph: Graph, operator: Operator) -> bool:
    return (
        operator.kind == "gather" and "indices" in operator.constants and operator.reads["x"] in graph.shapes
    )


@fault("another index", _is_indexed, MORE)
def _index(graph: Graph, operator: Operator, _random: Generator) -> str:
    shape = graph.shapes[operator.reads["x"]]
    value = operator.constants["indices"]
    other = (value + 1) % shape[int(operator.number("axis"))]
    graph.set(operator, "indices", other.astype(value.dtype))
    return f"index {other.tolist()} instead of {value.tolist()}"


def _movable(graph: Graph, operator: Operator) -> list[tuple[int, int]]:
    """The places of a slice's bounds that can be moved by one, and how: the length stays."""
    if operator.kind not in ("slice", "slice_by_index") or operator.reads["x"] not in graph.shapes:
        return []
    shape = graph.shapes[operator.reads["x"]]
    begin, end = operator.numbers("begin"), operator.numbers("end")
    axes = operator.numbers("axes") if "axes" in operator.constants else list(range(len(shape)))
    masks = operator.constants.get("end_mask")
    found = []
    for place, axis in enumerate(axes):
        is_open = masks is not None and bool(np.atleast_1d(masks)[place])
        if is_open or begin[place] < 0 or not 0 < end[place] <= shape[axis]:
            continue
        if end[place] < shape[axis]:
            found.append((place, 1))
        elif begin[place] > 0:
            found.append((place, -1))
    return found


@fault("a slice moved by one", lambda graph, operator: bool(_movable(graph, operator)), MORE)
def _slice(graph: Graph, operator: Operator, random: Generator) -> str:
    place, step = one_of(random, _movable(graph, operator))
    for name in ("begin", "end"):
        value = np.atleast_1d(operator.constants[name]).copy()
        value[place] += step
        graph.set(operator, name, value)
    return f"bound {place} moved by {step}"


def _permutations(graph: Graph, operator: Operator) -> list[tuple[int, ...]]:
    """Others that give the same shape."""
    shape = graph.shapes.get(operator.reads.get("x", ""))
    if operator.kind != "transpose" or shape is None:
        return []
    own = tuple(axis % len(shape) for axis in operator.numbers("perm"))
    wanted = [shape[axis] for axis in own]
    return [
        order
        for order in itertools.permutations(range(len(shape)))
        if order != own
        and [shape[axis] for axis in order] == wanted
        and [axis for axis in order if shape[axis] > 1] != [axis for axis in own if shape[axis] > 1]
    ]


@fault("another permutation", lambda graph, operator: bool(_permutations(graph, operator)), MORE)
def _permuted(graph: Graph, operator: Operator, random: Generator) -> str:
    order = one_of(random, _permutations(graph, operator))
    graph.set(operator, "perm", np.array(order))
    return f"axes {list(order)} instead of {operator.numbers('perm')}"


# Constants


@fault(
    "divided by another number",
    lambda _graph, operator: operator.kind == "div" and "y" in operator.constants,
    MORE,
)
def _divisor(graph: Graph, operator: Operator, random: Generator) -> str:
    factor = one_of(random, (0.99, 1.001, 2.0))
    _change(graph, operator, "y", operator.constants["y"].astype(np.float64) * factor)
    return f"divided by {factor} times as much"


@fault(
    "a normalization's gain or shift wrong",
    lambda _graph, operator: operator.kind == "layer_norm" and "gamma" in operator.constants,
    MORE,
)
def _gain(graph: Graph, operator: Operator, random: Generator) -> str:
    name = one_of(random, [name for name in ("gamma", "beta") if name in operator.constants])
    value = operator.constants[name].astype(np.float64)
    one = value.copy()
    one.reshape(-1)[int(random.integers(value.size))] *= 1.02
    other, words = one_of(
        random,
        ((np.roll(value, 1, 0), "permuted"), (value * 1.01, "times 1.01"), (one, "changed at one place")),
    )
    _change(graph, operator, name, other)
    return f"{name} {words}"
