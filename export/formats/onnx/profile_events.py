"""Reading what ONNX Runtime's profiler wrote: events, of which those of single operators and of whole runs count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cloformer.errors import UnsupportedError

from .graph_work import Operand

__all__ = ["WARM_UP", "Span", "TimedOperator", "not_understood", "read_events"]

WARM_UP = 10  # runs before those that count
_KERNEL = "_kernel_time"
_ITEM_BYTES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2,
    "int32": 4, "uint32": 4, "float": 4, "int64": 8, "uint64": 8, "double": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """From when to when, in microseconds: ``begun`` is since the profiler was."""

    begun: int
    us: int

    @property
    def end(self) -> int:
        return self.begun + self.us


@dataclass(frozen=True)
class TimedOperator:
    """What the profiler says of one operator: when each run had it, and its operands. Those whose type or shape it
    does not say are left out."""

    operator: str
    spans: tuple[Span, ...]
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]


def read_events(
    text: str | bytes, nested: set[str], runs: int, warm_up: int = WARM_UP
) -> tuple[dict[str, TimedOperator], tuple[Span, ...]]:
    """The operators by name, and each whole run.

    The ``warm_up`` runs before are left out, and ``nested`` operators, whose time is in that of another. Raises
    :class:`UnsupportedError` if the text is not the profile of as many runs.
    """
    taken: dict[str, list[Span]] = {}
    details: dict[str, Mapping[str, object]] = {}
    whole: list[Span] = []
    for event in _events(text):
        if not isinstance(event, dict) or not isinstance(event.get("name"), str):
            continue
        name = event["name"]
        if event.get("cat") == "Session" and name == "model_run":
            whole.append(_span(event, name))
        if event.get("cat") != "Node" or not name.endswith(_KERNEL):
            continue
        name = name.removesuffix(_KERNEL)
        if name not in nested:
            taken.setdefault(name, []).append(_span(event, name))
            given = event.get("args")
            details[name] = given if isinstance(given, dict) else {}
    if not taken:
        raise not_understood("it times no operator")
    for name, spans in taken.items():
        if len(spans) != warm_up + runs:
            raise not_understood(
                f"it times {name[:80]} {len(spans)} times in {warm_up + runs} runs, warm-up included"
            )
    timed = {
        name: TimedOperator(
            operator=str(details[name].get("op_name", "unknown")),
            spans=tuple(spans[warm_up:]),
            inputs=_operands(details[name].get("input_type_shape")),
            outputs=_operands(details[name].get("output_type_shape")),
        )
        for name, spans in taken.items()
    }
    return timed, tuple(whole[warm_up:])


def not_understood(why: str) -> UnsupportedError:
    """The error of a profile that another version of ONNX Runtime writes in another way."""
    return UnsupportedError(
        f"what ONNX Runtime's profiler wrote is not understood: {why}",
        "install a version of onnxruntime that cloformer was tested with (`cloformer doctor`)",
    )


def _events(text: str | bytes) -> list[object]:
    try:
        events = json.loads(text)
    except (ValueError, RecursionError):
        raise not_understood("it is no JSON") from None
    if not isinstance(events, list):
        raise not_understood("it is no list of events")
    return events


def _span(event: Mapping[str, object], name: str) -> Span:
    begun, us = (_microseconds(event.get(key), name) for key in ("ts", "dur"))
    return Span(begun, us)


def _microseconds(value: object, name: str) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise not_understood(f"{name[:80]} has a time that is no number of microseconds")
    return value


def _operands(listed: object) -> tuple[Operand, ...]:
    """From ``[{"float": [1, 3, 224, 224]}, ..]``."""
    found = []
    for entry in listed if isinstance(listed, list) else []:
        for kind, shape in entry.items() if isinstance(entry, dict) else []:
            if isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape):
                found.append(Operand(tuple(shape), _ITEM_BYTES.get(kind, 0)))
    return tuple(found)
