"""What can be changed in an ExecuTorch file where it lies: numbers of constants, attributes, operands, which operator a node is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from program_faults import KIND, Inside, Place

from cloformer.export.formats.executorch.payload import NO_VALUE, Tensors, _schema

__all__ = ["CONSTANTS", "FAULTS", "Change", "Planned", "numbers_of", "scales_of"]

CONSTANTS = ("filter_id", "bias_id", "input1_id", "input2_id")  # the operands that a file may hold
Change = tuple[int, str, int | float]  # where in the file, how it is written, and what is written there


@dataclass(frozen=True)
class Planned:
    """What is written, in words too, and the bytes of the constant that is damaged: all that read it are."""

    changes: tuple[Change, ...]
    what: str
    kept: bytes | None = None


Plan = Callable[[Inside, bytes, Generator], "Planned | None"]


def _scalar(*fields: str, change: Callable[[float], float], of_result: bool = False) -> Plan:
    """Another number in one of these fields; ``of_result``: of those that describe the value that is given."""

    def plan(item: Inside, _data: bytes, random: Generator) -> Planned | None:
        places = item.made if of_result else item.places
        found = [place for place in places if place.field in fields and abs(place.value) < 2**31]
        if not found:
            return None
        place = found[int(random.integers(len(found)))]
        value = change(place.value)
        return Planned(
            ((place.at, place.code, value),), f"{place.field} {value:.6g} instead of {place.value:.6g}"
        )

    return plan


def _of_kind(kind: str, plan: Plan) -> Plan:
    return lambda item, data, random: plan(item, data, random) if item.node.kind == kind else None


def _constant(*fields: str) -> Plan:
    """One number of a constant: in float by a tenth of the largest, of whole numbers by ten steps."""

    def plan(item: Inside, data: bytes, random: Generator) -> Planned | None:
        for field in fields:
            kept = numbers_of(item, field)
            at = None if kept is None else _only_place(data, kept.tobytes())
            if kept is not None and at is not None:
                number = int(random.integers(kept.size))
                old = kept.reshape(-1)[number]
                new = _another_number(old, float(np.abs(kept).max()))
                change = (at + kept.itemsize * number, kept.dtype.char, new)
                return Planned(
                    (change,), f"number {number} is {new:.6g} instead of {old:.6g}", kept.tobytes()
                )
        return None

    return plan


def _another_number(old: Any, largest: float) -> int | float:
    if np.asarray(old).dtype.kind == "f":
        return float(old) + 0.1 * (largest or 1.0)
    return int(old) - 10 if old > 0 else int(old) + 10


def _scales(item: Inside, data: bytes, random: Generator) -> Planned | None:
    """One scale of a layer's weight."""
    scales = scales_of(item, "filter_id")
    at = None if scales is None else _only_place(data, scales.tobytes())
    if scales is None or at is None:
        return None
    number = int(random.integers(scales.size))
    old = float(scales.reshape(-1)[number])
    return Planned(
        ((at + 4 * number, "f", 1.1 * old),),
        f"scale {number} is {1.1 * old:.6g} instead of {old:.6g}",
        scales.tobytes(),
    )


def _exchanged(fields: Sequence[str], kinds: Sequence[str]) -> Plan:
    """Two fields, or two numbers of a list, exchanged."""

    def plan(item: Inside, _data: bytes, random: Generator) -> Planned | None:
        found = item.named(*fields) if item.node.kind in kinds else []
        pairs = [(a, b) for i, a in enumerate(found) for b in found[i + 1 :] if a.value != b.value]
        if not pairs:
            return None
        one, other = pairs[int(random.integers(len(pairs)))]
        changes = ((one.at, one.code, other.value), (other.at, other.code, one.value))
        return Planned(changes, f"{one.value} and {other.value} exchanged")

    return plan


def _another_operand(item: Inside, _data: bytes, random: Generator) -> Planned | None:
    """A value of the same shape and type that is made before."""
    before: list[int] = [*item.graph.inputs]
    for node in item.graph.nodes:
        if node is item.node:
            break
        before.append(node.output)
    choices: list[tuple[Place, int]] = []
    for place in item.named("input_id", "input1_id", "input2_id"):
        own = item.graph.values[int(place.value)]
        choices += [
            (place, other)
            for other in before
            if other != place.value
            and item.graph.values[other].shape == own.shape
            and _steps(item.graph.values[other]) == _steps(own)
        ]
    if not choices:
        return None
    place, other = choices[int(random.integers(len(choices)))]
    return Planned(((place.at, place.code, other),), f"{place.field} {other} instead of {place.value}")


def _another_kind(groups: Sequence[Sequence[str]]) -> Plan:
    """Another operator of the same fields."""

    def plan(item: Inside, _data: bytes, random: Generator) -> Planned | None:
        group = next((group for group in groups if item.node.kind in group), ())
        others = [kind for kind in group if kind != item.node.kind]
        if not others:
            return None
        other = others[int(random.integers(len(others)))]
        names = [name for name, _ in _schema().unions["XNodeUnion"]]
        (place,) = item.named(KIND)
        change = (place.at, "B", names.index(f"XNN{other}") + 1)
        return Planned((change,), f"{other} instead of {item.node.kind}")

    return plan


_ARITHMETIC = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
_FUNCTIONS = ("Sigmoid", "Tanh", "Gelu", "Hardswish", "Abs", "Negate", "Square")

FAULTS: Mapping[str, Plan] = {
    "a weight": _constant("filter_id"),
    "a bias": _constant("bias_id"),
    "a bias left out": _scalar("bias_id", change=lambda _: NO_VALUE),
    "a constant operand": _constant("input1_id", "input2_id"),
    "a weight's scale": _scales,
    "a value's scale": _scalar("scale", change=lambda value: 1.02 * value, of_result=True),
    "a value's zero point": _scalar("zero_point", change=lambda value: value + 1, of_result=True),
    "a padding": _scalar(
        "padding_top",
        "padding_right",
        "padding_bottom",
        "padding_left",
        change=lambda value: max(value - 1, 0),
    ),
    "a stride or a dilation": _scalar(
        "subsampling_height", "subsampling_width", "stride_height", "stride_width", "dilation_height", "dilation_width",
        change=lambda value: value + 1,
    ),
    "bounds": _scalar("output_min", "output_max", change=lambda value: value + 0.2),
    "a slope, an alpha or a padded number": _scalar(
        "negative_slope", "alpha", "padding_value", change=lambda value: 1.5 * value + 0.25
    ),
    "flags": _scalar("flags", change=lambda value: 0 if value else 8),
    "axes exchanged": _exchanged(("item",), ("StaticTranspose",)),
    "a slice's beginning": _of_kind("StaticSlice", _scalar("item", change=lambda value: value + 1)),
    "an axis": _scalar("axis", change=lambda value: value + 1),
    "operands exchanged": _exchanged(
        ("input1_id", "input2_id"), ("Subtract", "Div", "BatchMatrixMultiply", "PReLU", "Concatenate2")
    ),
    "another operand": _another_operand,
    "another operator": _another_kind((_ARITHMETIC, _FUNCTIONS)),
}  # fmt: skip


def _value_of(item: Inside, field: str) -> Tensors | None:
    place = item.node.fields.fields.get(field)
    return item.graph.values.get(place) if isinstance(place, int) else None


def numbers_of(item: Inside, field: str) -> np.ndarray[Any, np.dtype[Any]] | None:
    """The constant as the file keeps it; None if that operand is computed, or not there."""
    value = _value_of(item, field)
    if value is None or value.constant is None:
        return None
    kept = value.constant if value.rounded is None else value.rounded.whole(value.constant)
    return np.ascontiguousarray(kept.numpy())


def scales_of(item: Inside, field: str) -> np.ndarray[Any, np.dtype[Any]] | None:
    """What makes numbers of the constant's whole numbers; None if it has none."""
    value = _value_of(item, field)
    if value is None or value.constant is None or value.rounded is None:
        return None
    return np.ascontiguousarray(value.rounded.scales.numpy())


def _only_place(data: bytes, kept: bytes) -> int | None:
    """Where these bytes lie; None if they do in several places, of which any may be another constant's."""
    return data.index(kept) if len(kept) >= 16 and data.count(kept) == 1 else None


def _steps(value: Tensors) -> tuple[float, ...]:
    rounded = value.rounded
    return () if rounded is None else (*rounded.scales.flatten().tolist(), rounded.zero_point)
