"""Faults in what a file holds as numbers: weights, biases, constants."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .faults import fault
from .graph import Array, Graph, Operator

__all__: list[str] = []


def _weight(operator: Operator) -> str | None:
    """The parameter that holds the operator's weights."""
    return (
        next((name for name in ("weight", "gamma") if name in operator.constants), None)
        if (operator.kind in ("conv", "linear", "batch_norm"))
        else None
    )


def has_weight(_graph: Graph, operator: Operator) -> bool:
    return _weight(operator) is not None


def has_matrix(_graph: Graph, operator: Operator) -> bool:
    return operator.kind in ("conv", "linear") and operator.constants["weight"].shape[0] > 1


def has_bias(_graph: Graph, operator: Operator) -> bool:
    return operator.kind in ("conv", "linear") and "bias" in operator.constants


def has_kernel(_graph: Graph, operator: Operator) -> bool:
    return operator.kind == "conv" and min(operator.constants["weight"].shape[2:]) > 1


def has_constant_operand(_graph: Graph, operator: Operator) -> bool:
    return operator.kind in ("add", "sub", "mul") and "y" in operator.constants


def _change(graph: Graph, operator: Operator, name: str, value: Array) -> None:
    graph.set(operator, name, value.astype(operator.constants[name].dtype))


def _weights(operator: Operator) -> tuple[str, Array]:
    name = _weight(operator)
    assert name is not None
    return name, operator.constants[name].astype(np.float64)


@fault("one weight changed", has_weight)
def _one_weight(graph: Graph, operator: Operator, random: Generator) -> str:
    name, value = _weights(operator)
    place = tuple(int(random.integers(size)) for size in value.shape)
    step = random.choice((-1, 1)) * 10 ** random.uniform(-2, 0) * np.abs(value).max()
    value[place] += step
    _change(graph, operator, name, value)
    return f"{name}{list(place)} changed by {step:.3g}; the largest is {np.abs(value).max():.3g}"


@fault("one weight's bit flipped", has_weight)
def _one_bit(graph: Graph, operator: Operator, random: Generator) -> str:
    """One of the eight bits that matter most of the fraction, or the sign."""
    name = _weight(operator)
    assert name is not None
    value = operator.constants[name].copy()
    place = tuple(int(random.integers(size)) for size in value.shape)
    fraction, sign = {"float16": (10, 15), "float32": (23, 31)}[value.dtype.name]
    bit = sign if random.random() < 0.2 else fraction - 1 - int(random.integers(8))
    before = value[place]
    value.view({2: np.uint16, 4: np.uint32}[value.dtype.itemsize])[place] ^= 1 << bit
    graph.set(operator, name, value)
    return f"{name}{list(place)} was {before:.4g} and is {value[place]:.4g}"


@fault("weights scaled", has_weight)
def _scaled(graph: Graph, operator: Operator, random: Generator) -> str:
    name, value = _weights(operator)
    factor = float(random.choice((0.5, 0.9, 0.99, 1.01, 1.1, 2.0)))
    _change(graph, operator, name, value * factor)
    return f"{name} times {factor}"


@fault("a channel's sign flipped", has_weight)
def _sign(graph: Graph, operator: Operator, random: Generator) -> str:
    name, value = _weights(operator)
    channel = int(random.integers(len(value)))
    value[channel] *= -1
    _change(graph, operator, name, value)
    return f"{name}[{channel}] negated"


@fault("weights replaced by zeros", has_weight)
def _zeros(graph: Graph, operator: Operator, _random: Generator) -> str:
    name, value = _weights(operator)
    _change(graph, operator, name, np.zeros_like(value))
    return f"{name} is zero"


@fault("output channels permuted", has_matrix)
def _output_channels(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["weight"].copy()
    first, second = (int(item) for item in random.choice(len(value), 2, replace=False))
    value[[first, second]] = value[[second, first]]
    graph.set(operator, "weight", value)
    return f"channels {first} and {second} of the weight exchanged"


@fault("input channels permuted", lambda g, o: has_matrix(g, o) and o.constants["weight"].shape[1] > 1)
def _input_channels(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["weight"]
    if random.random() < 0.5:
        graph.set(operator, "weight", np.ascontiguousarray(value[:, ::-1]))
        return "the weight's input channels in the reverse order"
    first, second = (int(item) for item in random.choice(value.shape[1], 2, replace=False))
    value = value.copy()
    value[:, [first, second]] = value[:, [second, first]]
    graph.set(operator, "weight", value)
    return f"input channels {first} and {second} of the weight exchanged"


@fault("kernel transposed", has_kernel)
def _transposed(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["weight"]
    ways = [
        (value.swapaxes(-1, -2), "height and width exchanged"),
        (value[..., ::-1], "left and right exchanged"),
        (value[..., ::-1, :], "top and bottom exchanged"),
    ]
    if value.shape[-1] != value.shape[-2]:  # a runtime would not load it
        ways = ways[1:]
    turned, words = ways[int(random.integers(len(ways)))]
    graph.set(operator, "weight", np.ascontiguousarray(turned))
    return words


@fault("weights stored more coarsely", has_weight)
def _coarse(graph: Graph, operator: Operator, random: Generator) -> str:
    name, value = _weights(operator)
    kinds = ["int8", "bfloat16"] + (["float16"] if operator.constants[name].dtype == np.float32 else [])
    kind = str(random.choice(kinds))
    if kind == "int8":
        step = np.abs(value).max() / 127
        rounded = np.round(value / step) * step
    elif kind == "float16":
        rounded = value.astype(np.float16)
    else:
        bits = value.astype(np.float32).view(np.uint32)
        rounded = ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    _change(graph, operator, name, rounded)
    return f"{name} through {kind}"


@fault("weights of another operator", has_matrix)
def _of_another(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["weight"]
    others = [
        other
        for other in graph.operators
        if other is not operator
        and has_weight(graph, other)
        and getattr(other.constants.get("weight"), "shape", None) == value.shape
    ]
    if not others:
        return ""
    other = others[int(random.integers(len(others)))]
    graph.set(operator, "weight", other.constants["weight"])
    return f"the weight of {other.outputs[0]}"


@fault("stale statistics folded", has_bias)
def _stale(graph: Graph, operator: Operator, random: Generator) -> str:
    """As if mean and variance had been read a while before training ended."""
    weight, bias = operator.constants["weight"], operator.constants["bias"].astype(np.float64)
    scale = np.exp(random.normal(0, 0.05, len(bias)))
    shift = random.normal(0, 0.05, len(bias)) * np.abs(bias).mean()
    turned = int(operator.constants.get("transB", np.array(1))) == 0  # its outputs are the last axis
    column = scale if turned else scale.reshape(-1, *[1] * (weight.ndim - 1))
    _change(graph, operator, "weight", weight.astype(np.float64) * column)
    _change(graph, operator, "bias", bias * scale + shift)
    return "weight and bias folded with a variance 10 % off and another mean"


@fault("bias dropped", has_bias)
def _no_bias(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.drop(operator, "bias")
    return "no bias"


@fault("bias permuted", has_bias)
def _bias(graph: Graph, operator: Operator, _random: Generator) -> str:
    graph.set(operator, "bias", np.roll(operator.constants["bias"], 1))
    return "every channel has the bias of the one before"


@fault("one bias changed", has_bias)
def _one_bias(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["bias"].astype(np.float64)
    place = int(random.integers(len(value)))
    step = random.choice((-1, 1)) * 10 ** random.uniform(-2, 0) * np.abs(value).max()
    value[place] += step
    _change(graph, operator, "bias", value)
    return f"bias[{place}] changed by {step:.3g}; the largest is {np.abs(value).max():.3g}"


@fault("constant operand wrong", has_constant_operand)
def _constant(graph: Graph, operator: Operator, random: Generator) -> str:
    value = operator.constants["y"].astype(np.float64)
    kind = str(random.choice(("zero", "scaled", "reversed", "one changed")))
    if kind == "reversed" and value.ndim > 2 and value.shape[1] > 1:
        changed = value[:, ::-1]
    elif kind == "one changed":
        changed = value.copy()
        changed.reshape(-1)[int(random.integers(value.size))] *= 1.01
    else:
        changed = value * (0.0 if kind == "zero" else 1.01)
    _change(graph, operator, "y", np.ascontiguousarray(changed))
    return f"the constant operand {kind}"
