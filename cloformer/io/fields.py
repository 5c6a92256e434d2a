"""Reading typed values out of JSON or TOML that comes from outside, field by field.

A :class:`Fields` is an object of the document and the path it stands at. Each method takes a field out, checked, or
raises :class:`FieldError`, whose message begins with the field's path: ``functions[0].inputs[0].preprocessing.std``.
Whoever has taken all that there may be calls :meth:`Fields.done`, which refuses the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar

from .near import closest
from .words import count

__all__ = ["FieldError", "Fields"]

T = TypeVar("T")

_LONGEST = 10_000  # characters of a text
_SHA256 = re.compile("[0-9a-f]{64}")
_MISSING = object()


class FieldError(ValueError):
    """A field that is missing, unknown, or of a value that it cannot have."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'the document'} {problem}")
        self.path, self.problem = path, problem


class Fields:
    """The object at ``path`` of a document; :class:`FieldError` if ``value`` is no object."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise FieldError(path, f"is {_kind(value)}, not an object")
        self.path = path
        self._left: dict[str, object] = dict(value)
        self._known: list[str] = []  # what was asked for, whether or not it was there

    def __contains__(self, name: str) -> bool:
        self._known.append(name)
        return name in self._left

    def at(self, name: str) -> str:
        """The path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def error(self, name: str, problem: str) -> FieldError:
        """An error about a field that was taken already."""
        return FieldError(self.at(name), problem)

    def done(self) -> None:
        """Refuse the fields that nobody has taken, with the one that was meant and all that are asked for here."""
        if not self._left:
            return
        unknown, known = sorted(self._left)[0][:80], list(dict.fromkeys(self._known))
        near = closest(unknown, known) or _one_with_the_word(unknown, known)
        meant = "" if near is None else f". Did you mean {near}?"
        listed = f" Known are: {', '.join(known)}" if known else ""
        raise FieldError(self.at(unknown), f"is not a field that is known here{meant or '.'}{listed}")

    def take(self, name: str) -> object:
        """Any value."""
        self._known.append(name)
        value = self._left.pop(name, _MISSING)
        if value is _MISSING:
            raise FieldError(self.at(name), "is missing")
        return value

    def text(self, name: str, *, longest: int = _LONGEST, empty: bool = True) -> str:
        """A string without zero bytes or lone surrogates, of at most ``longest`` characters."""
        return _text(self.take(name), self.at(name), longest, empty)

    def choice(self, name: str, known: Collection[str]) -> str:
        """One of ``known``."""
        value = self.text(name)
        if value not in known:
            raise self.error(name, f"is {value[:80]!r}, not one of {', '.join(known)}")
        return value

    def sha256(self, name: str) -> str:
        """64 hexadecimal digits."""
        value = self.text(name)
        if _SHA256.fullmatch(value) is None:
            raise self.error(name, "is not a SHA-256 in hexadecimal")
        return value

    def whole(self, name: str, low: int = 0, high: int = 2**62) -> int:
        """A whole number from ``low`` to ``high``."""
        return _whole(self.take(name), self.at(name), low, high)

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number from ``low`` to ``high``; a whole one stays whole."""
        return _number(self.take(name), self.at(name), low, high)

    def truth(self, name: str) -> bool:
        """true or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise self.error(name, f"is {_kind(value)}, not true or false")
        return value

    def child(self, name: str) -> Fields:
        """The object in a field."""
        return Fields(self.take(name), self.at(name))

    def items(self, name: str, *, least: int = 0, most: int = 1_000_000) -> Iterator[tuple[object, str]]:
        """The entries of a list with their paths."""
        value = self.take(name)
        if not isinstance(value, list):
            raise self.error(name, f"is {_kind(value)}, not a list")
        if not least <= len(value) <= most:
            raise self.error(name, f"has {count(value, 'entry')}, not {least} to {most}")
        return ((item, f"{self.at(name)}[{index}]") for index, item in enumerate(value))

    def objects(self, name: str, *, least: int = 0, most: int = 1_000_000) -> list[Fields]:
        """A list of objects."""
        return [Fields(item, path) for item, path in self.items(name, least=least, most=most)]

    def holds_objects(self, name: str) -> bool:
        """Whether the field is a list that begins with an object; it is not taken."""
        value = self._left.get(name)
        return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)

    def each(self, name: str) -> list[Fields]:
        """A list of objects that need not be there: empty then."""
        return self.objects(name) if name in self else []

    def texts(self, name: str, *, least: int = 0, most: int = 1_000_000) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(
            _text(item, path, _LONGEST, True) for item, path in self.items(name, least=least, most=most)
        )

    def wholes(self, name: str, low: int, high: int, *, most: int = 1_000_000) -> tuple[int, ...]:
        """A list of whole numbers."""
        return tuple(_whole(item, path, low, high) for item, path in self.items(name, most=most))

    def numbers(
        self, name: str, low: float = -math.inf, high: float = math.inf, *, most: int = 1_000_000
    ) -> tuple[float, ...]:
        """A list of finite numbers."""
        return tuple(_number(item, path, low, high) for item, path in self.items(name, most=most))

    def table(self, name: str) -> dict[str, str]:
        """An object of strings."""
        inner = self.child(name)
        return {key: inner.text(key) for key in list(inner._left)}

    def counts(self, name: str) -> dict[str, int]:
        """An object of whole numbers from 1 on."""
        inner = self.child(name)
        return {key: inner.whole(key, 1) for key in list(inner._left)}

    def names(self) -> list[str]:
        """The fields that nobody has taken yet."""
        return list(self._left)

    def rest(self) -> dict[str, object]:
        """All that nobody has taken yet, as it is: for somebody else to read."""
        left, self._left = self._left, {}
        return left

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """What ``read`` takes, or None if the field is null: ``fields.optional("seed", fields.whole)``."""
        if name in self and self._left[name] is None:
            del self._left[name]
            return None
        return read(name)

    def default(self, name: str, read: Callable[[str], T], value: T) -> T:
        """What ``read`` takes, or ``value`` if the field is not there."""
        return read(name) if name in self else value


def _one_with_the_word(unknown: str, known: Collection[str]) -> str | None:
    """The only known name with ``unknown`` as one of its words: resize_size for resize."""
    found = [name for name in known if unknown.lower() in name.split("_")]
    return found[0] if len(found) == 1 else None


def _text(value: object, path: str, longest: int, empty: bool) -> str:
    if not isinstance(value, str):
        raise FieldError(path, f"is {_kind(value)}, not text")
    if len(value) > longest:
        raise FieldError(path, f"has {len(value)} characters, more than {longest}")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise FieldError(path, "has a character that no text has")
    if not value and not empty:
        raise FieldError(path, "is empty")
    return value


def _whole(value: object, path: str, low: int, high: int) -> int:
    if type(value) is not int:
        raise FieldError(path, f"is {_kind(value)}, not a whole number")
    if not low <= value <= high:
        raise FieldError(path, f"is {value}, not from {low} to {high}")
    return value


def _number(value: object, path: str, low: float, high: float) -> float:
    if type(value) not in (int, float):
        raise FieldError(path, f"is {_kind(value)}, not a number")
    assert isinstance(value, (int, float))
    if not math.isfinite(value):
        raise FieldError(path, "is no finite number")
    if not low <= value <= high:
        raise FieldError(path, f"is {value:g}, not from {low:g} to {high:g}")
    return value


def _kind(value: object) -> str:
    """A value's type in the words of JSON, and the value itself where it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"[:60]
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return "a list" if isinstance(value, list) else "an object"
