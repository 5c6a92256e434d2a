"""What a value of a recipe means, which values it may have, and how one is typed."""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass

from cloformer.errors import UsageError, choose
from cloformer.io.numbers import finite, whole

__all__ = ["Rule", "assigned", "check", "kind_of", "parsed", "shown"]

_KINDS: dict[object, str] = {int: "a whole number", float: "a number", str: "a name"}
_READ: dict[object, Callable[[str], object]] = {int: whole, float: finite, str: str}
_NEXT = re.compile(r"[,;\s]+(?=[A-Za-z_-]+\s*=)")  # where another NAME=VALUE begins


@dataclass(frozen=True)
class Rule:
    """``meaning`` is for a person who sees the number. A number is from ``least`` to ``most``, a text one of
    ``names``; ``example`` is what may be typed after ``--set NAME=``, and ``also`` a word that may be."""

    meaning: str
    example: str
    least: float = -math.inf
    most: float = math.inf
    names: tuple[str, ...] = ()
    also: str = ""

    @property
    def range(self) -> str:
        """``at least 0 and at most 1``; nothing where every number will do."""
        ends = ((f"at least {self.least:g}", self.least), (f"at most {self.most:g}", self.most))
        return " and ".join(words for words, end in ends if math.isfinite(end))


def kind_of(annotated: object) -> object:
    """The type of a value that may also be None."""
    if isinstance(annotated, types.UnionType):
        return next(each for each in typing.get_args(annotated) if each is not type(None))
    return annotated


def check(name: str, value: object, rule: Rule) -> None:
    """:class:`UsageError` for a value that the rule does not allow. None, and what is no single value, is not looked at."""
    if isinstance(value, str) and rule.names:
        choose(name, value, rule.names, f"--set {name}")
    if isinstance(value, int | float) and not (math.isfinite(value) and rule.least <= value <= rule.most):
        raise UsageError(
            f"{name} must be {rule.range or 'a finite number'}, not {value}",
            f"for example --set {name}={rule.example}",
        )


def assigned(assignment: str) -> tuple[str, str]:
    """The name and the text of ``NAME=VALUE``; :class:`UsageError` for what is no single assignment."""
    parts = [part.strip() for part in _NEXT.split(assignment) if part.strip()]
    if len(parts) > 1:
        raise UsageError(
            f"--set {assignment!r} gives {len(parts)} settings, and --set is given once for each",
            " ".join(f"--set {part}" for part in parts),
        )
    name, equals, text = assignment.partition("=")
    return name.strip().replace("-", "_"), text.strip() if equals else ""


def parsed(name: str, text: str, annotated: object, rule: Rule) -> object:
    """The value that ``text`` is of the type; :class:`UsageError` if it is none."""
    kind = kind_of(annotated)
    if kind is not annotated and text.lower() in ("none", "default"):
        return None
    try:
        if typing.get_origin(kind) is tuple:
            return tuple(finite(part.strip()) for part in text.strip("[]()").split(","))
        return _READ[kind](text)
    except ValueError:
        known = _KINDS.get(kind, "a number for each of red, green and blue")
        words = ", ".join(filter(None, (known, rule.range, rule.also and f"or {rule.also}")))
        raise UsageError(
            f"{name} takes {words}, not {text!r}", f"for example --set {name}={rule.example}"
        ) from None


def shown(value: object) -> str:
    """A value as it is typed after ``--set NAME=``."""
    if value is None:
        return "default"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
