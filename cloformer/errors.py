"""What can go wrong, by exit code.

    CloformerError
    ├── GateError            1   a check did not hold, or could not be made
    ├── UsageError           2   an option or argument names something that does not exist
    ├── InputError           3   a checkpoint, image, artifact, manifest or output place is bad
    │   └── CheckpointError      a checkpoint alone
    ├── UnsupportedError     4   it cannot be done: operator, precondition, target
    └── MissingRuntimeError  5   a runtime or optional package is not there

A message says what happened and where in its first line and what to do next in the
following ones: three lines at most. What others said goes into it as it is: each line is made harmless and
cut here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from cloformer.io.near import closest
from cloformer.io.words import bounded

__all__ = [
    "CheckpointError",
    "CloformerError",
    "GateError",
    "InputError",
    "MissingRuntimeError",
    "UnsupportedError",
    "UsageError",
    "choose",
]

MAX_LINES = 3


class CloformerError(Exception):
    """Base of all errors this package raises on purpose: a line each for what happened and what to do next.
    ``details`` goes to ``--json`` whole."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *next_steps: str, details: Mapping[str, object] | None = None) -> None:
        parts = [str(part) for part in (message, *next_steps)]
        self.lines = [bounded(part) for part in parts if part.strip()][:MAX_LINES]
        self.details = dict(details or {})
        super().__init__(*self.lines)  # what it is made of again in another process

    def __str__(self) -> str:
        return "\n".join(self.lines)


class GateError(CloformerError):
    """A gate failed: parity, latency or size, or it could not be verified."""

    exit_code = 1


class UsageError(CloformerError):
    """An option or argument has a value that means nothing here."""

    exit_code = 2


class InputError(CloformerError):
    """A checkpoint, image, artifact or manifest is bad, or the output place cannot be written."""

    exit_code = 3


class CheckpointError(InputError, ValueError):
    """A checkpoint that cannot be used. The lists in ``details`` hold all keys that differ from the model's,
    ``misshaped`` as (key, expected shape, found shape)."""

    def __init__(
        self,
        message: str,
        *next_steps: str,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
        misshaped: Sequence[tuple[str, tuple[int, ...], tuple[int, ...]]] = (),
    ) -> None:
        lists = {"missing": list(missing), "unexpected": list(unexpected), "misshaped": list(misshaped)}
        super().__init__(message, *next_steps, details=lists)


class UnsupportedError(CloformerError):
    """What was asked cannot be done: an operator, a precondition, a target."""

    exit_code = 4


class MissingRuntimeError(CloformerError):
    """A runtime or an optional package that is needed is not installed."""

    exit_code = 5


def choose(
    kind: str,
    value: str,
    known: Iterable[str],
    option: str | None = None,
    *,
    repeats: bool = False,
    also: str = "",
) -> str:
    """``value`` if it is one of ``known``; else :class:`UsageError`, with a did-you-mean only where one name is meant.

    Of numbers the range is told, and of several names in one word how to give them: an option that ``repeats`` is given
    once for each. ``also`` is what else may be given.
    """
    names = list(known)
    if value in names:
        return value
    option = option or f"--{kind}"
    before = f"{option}=" if " " in option else f"{option} " if option.startswith("-") else ""
    takes = f"{option} takes: {', '.join(names)}; for example {before}"
    if all(re.fullmatch("[0-9]+", name) for name in names) and re.fullmatch(r"-?[0-9]+(\.[0-9]*)?", value):
        lowest, highest = min(names, key=int), max(names, key=int)
        nearest = lowest if float(value) < int(lowest) else highest
        raise UsageError(f"{kind} {value} is not from {lowest} to {highest}", takes + nearest)
    parts = [part for part in re.split(r"[\s,;+&|/]+", value) if part]
    if len(parts) > 1 and all(part in names or closest(part, names) for part in parts):
        each = " ".join(f"{option} {closest(part, names) or part}" for part in parts)
        raise UsageError(
            f"{option} takes one name, and {value!r} is {len(parts)}",
            f"give it for each: {each}" if repeats else takes + parts[0],
        )
    near = closest(value, names) or _only_with(value, names)
    hint = "" if near is None else f". Did you mean {near}?"
    raise UsageError(f"unknown {kind} {value!r}{hint}", takes + (near or names[0]), also)


def _only_with(number: str, names: Sequence[str]) -> str | None:
    """The one name that has this number: ios17 of 17."""
    if re.fullmatch("[0-9]+", number) is None:
        return None
    found = [name for name in names if re.fullmatch(f"[^0-9]*{number}", name)]
    return found[0] if len(found) == 1 else None
