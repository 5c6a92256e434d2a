"""What can go wrong, by exit code.

    CloformerError
    ├── GateError            1   a check did not hold, or could not be made
    ├── UsageError           2   an option or argument names something that does not exist
    ├── InputError           3   a checkpoint, image, artifact, manifest or output place is bad
    ├── UnsupportedError     4   it cannot be done: operator, precondition, target
    └── MissingRuntimeError  5   a runtime or optional package is not there

A message says what happened and where in its first line and what to do next in the
following ones: three lines at most.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

__all__ = [
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
    """Base of all errors this package raises on purpose; ``details`` goes to ``--json`` whole."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *next_steps: str, details: Mapping[str, Any] | None = None) -> None:
        self.lines = [
            line for part in (message, *next_steps) for line in str(part).splitlines() if line.strip()
        ]
        self.lines = self.lines[:MAX_LINES]
        self.details = dict(details or {})
        super().__init__("\n".join(self.lines))


class GateError(CloformerError):
    """A gate failed: parity, latency or size, or it could not be verified."""

    exit_code = 1


class UsageError(CloformerError):
    """An option or argument has a value that means nothing here."""

    exit_code = 2


class InputError(CloformerError):
    """A checkpoint, image, artifact or manifest is bad, or the output place cannot be written."""

    exit_code = 3


class UnsupportedError(CloformerError):
    """What was asked cannot be done: an operator, a precondition, a target."""

    exit_code = 4


class MissingRuntimeError(CloformerError):
    """A runtime or an optional package that is needed is not installed."""

    exit_code = 5


def choose(kind: str, value: str, known: Iterable[str], option: str | None = None) -> str:
    """``value`` if it is one of ``known``; :class:`UsageError` with a did-you-mean otherwise."""
    names = list(known)
    if value in names:
        return value
    near = difflib.get_close_matches(value.lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(
        f"unknown {kind} {value!r}.{hint}",
        f"{option or '--' + kind} takes: {', '.join(names)}",
    )
