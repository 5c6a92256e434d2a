"""What a worker and its parent say to one another: JSON objects, one a line.

The parent asks, the worker answers once, until the parent closes the pipe. A worker is loaded once and can
then be asked for runs as often as wanted, so that several workers can take turns.

=============  =====================================  =================================================
``do``         asks with                              is answered with
=============  =====================================  =================================================
``load``       what :class:`Task` says                ``load_ns``, ``before_bytes`` resident
``first``                                             ``wall_ns``, ``cpu_ns``: of one query
``warm_up``    ``queries`` and ``seconds``, at least  ``queries`` that were run and thrown away
``run``        ``queries``                            ``wall_ns``, ``cpu_ns``: a number for each query
``photograph`` ``queries``                            ``preprocessing_ns``, ``end_to_end_ns``: the same, or
                                                      none if the model does not take images alone
``memory``                                            ``peak_bytes`` resident since the process began
``executed``                                          ``operators`` that the runtime executes for a query,
                                                      their ``multiply_adds``, and ``uncounted``: the
                                                      types of operators whose multiply-adds are not known
``watch``      (it comes before ``load``)             nothing: instructions can be counted from here on
``count``      ``queries``                            ``instructions`` that all of these queries took
``fork``       ``queries``                            the number of the ``process``, a copy of the worker,
                                                      that ran them and has ended
=============  =====================================  =================================================

An answer that is an error has ``error`` alone: lines for a person. Nothing else that a worker writes is taken.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = [
    "MAX_LINE",
    "BadMessageError",
    "Task",
    "decode",
    "encode",
    "read_count",
    "read_lines",
    "read_names",
    "read_seconds",
    "read_times",
]

MAX_LINE = 64 * 2**20  # bytes
_LARGEST = 2**62  # of a number: 146 years in nanoseconds


class BadMessageError(Exception):
    """What came over the pipe is no message."""


@dataclass(frozen=True)
class Task:
    """What a worker is for. ``check`` looks at the model first, which costs memory; ``inputs`` is how many
    seeded inputs take turns; ``forget`` asks the system to drop the model's files from its cache."""

    folder: str
    runner: str
    threads: int
    pinned_to: tuple[int, ...] | None
    model: str | None
    weights: str | None
    seed: int
    inputs: int
    check: bool
    forget: bool

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Task:
        """What :meth:`to_json` gave; :class:`BadMessageError` for anything else."""
        pinned, seed = data.get("pinned_to"), data.get("seed")
        if type(seed) is not int:
            raise BadMessageError("seed is no whole number")
        return cls(
            folder=_text(data.get("folder"), "folder"),
            runner=_text(data.get("runner"), "runner"),
            threads=read_count(data, "threads"),
            pinned_to=None if pinned is None else _numbers(pinned, "pinned_to"),
            model=None if data.get("model") is None else _text(data["model"], "model"),
            weights=None if data.get("weights") is None else _text(data["weights"], "weights"),
            seed=seed,
            inputs=read_count(data, "inputs"),
            check=data.get("check") is True,
            forget=data.get("forget") is True,
        )

    @property
    def weights_path(self) -> Path | None:
        return None if self.weights is None else Path(self.weights)


def encode(message: dict[str, object]) -> bytes:
    """One line."""
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, object]:
    """The object in a line; :class:`BadMessageError` if there is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise BadMessageError("it is no JSON") from None
    if not isinstance(message, dict):
        raise BadMessageError("it is no object")
    return message


def read_count(message: dict[str, object], key: str) -> int:
    """A whole number of at least 0; :class:`BadMessageError` for anything else."""
    return _whole(message.get(key), key)


def read_seconds(message: dict[str, object], key: str) -> float:
    """A number of seconds of at least 0; :class:`BadMessageError` for anything else."""
    value = message.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _LARGEST:
        raise BadMessageError(f"{key} holds what is no number of seconds")
    return value


def read_times(message: dict[str, object], key: str, count: int) -> tuple[int, ...]:
    """``count`` nanoseconds; :class:`BadMessageError` for anything else."""
    values = _numbers(message.get(key), key)
    if len(values) != count:
        raise BadMessageError(f"{key} is not a list of {count} numbers")
    return values


def read_lines(message: dict[str, object]) -> list[str]:
    """The lines of an error, short; empty if the message is none. :class:`BadMessageError` if they are no text."""
    lines = message.get("error", [])
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise BadMessageError("its error is no list of lines")
    return [line[:500] for line in lines[:3]]


def read_names(message: dict[str, object], key: str) -> tuple[str, ...]:
    """Names of operators, short; :class:`BadMessageError` for anything else."""
    names = message.get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadMessageError(f"{key} is no list of names")
    return tuple(name[:100] for name in names[:20])


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise BadMessageError(f"{key} is no text")
    return value


def _numbers(value: object, key: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise BadMessageError(f"{key} is not a list of numbers")
    return tuple(_whole(item, key) for item in value)


def _whole(value: object, key: str) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise BadMessageError(f"{key} holds what is no whole number")
    return value
