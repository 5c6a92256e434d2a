"""Messages of protocol buffers, changed without knowing what they mean; and bytes that no library writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mil_package import head
from numpy.random import Generator

from .values import NAMES, damage

__all__ = ["drawn_edit", "nested"]

_INTEGERS = {
    "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1),
}  # fmt: skip
_KINDS = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 11: "message", 12: "bytes",
    13: "uint32", 14: "enum", 17: "int32", 18: "int64",
}  # fmt: skip
_MOST = 20_000  # places that are looked at


def nested(fields: Sequence[tuple[type, str]], depth: int) -> bytes:
    """Messages in one another, ``depth`` times all of ``fields``, from the outermost to the innermost."""
    heads: list[bytes] = []
    length = 0
    for _ in range(depth):
        for message, field in reversed(fields):
            heads.append(head(message, field, length))
            length += len(heads[-1])
    return b"".join(reversed(heads))


def drawn_edit(message: Any, random: Generator) -> str:
    """Change one to three fields of a message, wherever they are, and say which."""
    done = []
    for _ in range(int(random.choice((1, 1, 1, 2, 3)))):
        found = list(_set_fields(message))
        if not found:
            break
        owner, field, name = found[int(random.integers(len(found)))]
        done.append(f"{name}: {_edit(owner, field, random)}")
    return "; ".join(done)


def _set_fields(message: Any, name: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Every field that is set, with the message that has it."""
    waiting, count = [(message, name)], 0
    while waiting and count < _MOST:
        owner, prefix = waiting.pop()
        for field, value in owner.ListFields():
            count += 1
            path = f"{prefix}.{field.name}".removeprefix(".")
            yield owner, field, path
            if _is_map(field):
                if field.message_type.fields_by_name["value"].message_type is not None:
                    waiting += [(value[key], f"{path}[{key!r:.40}]") for key in value]
            elif field.message_type is not None:
                items = value if _is_repeated(field) else [value]
                waiting += [(item, f"{path}[{index}]") for index, item in enumerate(items)]


def _is_repeated(field: Any) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _edit(owner: Any, field: Any, random: Generator) -> str:
    value, kind = getattr(owner, field.name), _KINDS.get(field.type, "")
    if random.random() < 0.15:
        owner.ClearField(field.name)
        return "left out"
    if _is_map(field):
        key = list(value)[int(random.integers(len(value)))]
        del value[key]
        return f"without {key!r:.40}"
    if _is_repeated(field):
        return _edit_list(value, kind, field, random)
    if kind == "message":
        value.Clear()
        return "empty"
    new, words = _scalar(value, kind, field, random)
    setattr(owner, field.name, new)
    return words


def _edit_list(values: Any, kind: str, field: Any, random: Generator) -> str:
    at, what = int(random.integers(len(values))), int(random.integers(4))
    if what == 0:
        del values[at]
        return f"without entry {at}"
    if what == 1:
        values.extend([values[at]] * int(random.choice((1, 100))))
        return f"entry {at} again"
    if kind == "message":
        other = int(random.integers(len(values)))
        first, second = type(values[at]).FromString(values[other].SerializeToString()), values[at]
        values[other].CopyFrom(second)
        values[at].CopyFrom(first)
        return f"entries {at} and {other} exchanged"
    values[at], words = _scalar(values[at], kind, field, random)
    return f"entry {at}: {words}"


def _scalar(value: Any, kind: str, field: Any, random: Generator) -> tuple[Any, str]:
    if kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        numbers = [
            n
            for n in (0, 1, -1, 2, 7, 255, 65536, low, high, high // 2, 10**6, value + 1, value - 1)
            if low <= n <= high
        ]
        number = numbers[int(random.integers(len(numbers)))]
        return number, str(number)
    if kind in ("float", "double"):
        number = float(random.choice((0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), float("-inf"))))
        return number, str(number)
    if kind == "bool":
        return not value, str(not value)
    if kind == "enum":
        numbers = [row.number for row in field.enum_type.values]
        number = numbers[int(random.integers(len(numbers)))]
        return number, field.enum_type.values_by_number[number].name
    if kind == "bytes":
        return damage(value, random)
    chosen = NAMES[int(random.integers(len(NAMES)))]
    return chosen.value.encode("utf-8", "replace").decode(), chosen.name
