"""What the classes of inputs are made of: a run, the place that it is made in, and how they are numbered."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from .sound import Sound

__all__ = [
    "ANY",
    "BAD",
    "REFUSED",
    "SOUND",
    "WRONG",
    "InputClass",
    "Make",
    "Place",
    "Run",
    "Trial",
    "write_json",
]

SOUND = frozenset({0})
BAD = frozenset({3})  # a file that cannot be what it should be
WRONG = frozenset({2, 3, 4})  # options
REFUSED = frozenset({1, 2, 3, 4, 5})
ANY = REFUSED | SOUND  # what may be harmless, by luck or by what the field means


@dataclass(frozen=True)
class Run:
    """A command line, the exit codes that it may end with, and what below its folder it may change.

    ``what`` says in words what is the matter with the input.
    """

    what: str
    arguments: tuple[str, ...]
    codes: frozenset[int] = REFUSED
    writes: tuple[str, ...] = ("out",)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where the inputs of one run are made. ``folder`` is the run's current folder, ``outside`` has canaries."""

    folder: Path
    outside: Path
    sound: Sound
    random: Generator
    number: int

    def copy(self, source: Path, name: str | None = None) -> Path:
        """A copy of a sound file or folder, to be changed."""
        target = self.folder / (name or source.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            return Path(shutil.copytree(source, target, symlinks=True))
        return Path(shutil.copy(source, target))

    def pick(self, choices: Sequence[Any]) -> Any:
        """One of them, by the run's own seed."""
        return choices[int(self.random.integers(len(choices)))]

    def at(self, path: Path) -> str:
        """``path`` as it is said on the command line: from the run's folder on, if it is in it."""
        return os.path.relpath(path, self.folder) if path.is_relative_to(self.folder) else str(path)


Make = Callable[[Place], Run]


@dataclass(frozen=True)
class Trial:
    """A run that is yet to be made; the name is what it is listed by."""

    name: str
    make: Make


@dataclass(frozen=True)
class InputClass:
    """``listed`` are the hostile inputs that somebody thought of, one run each, of which the programme does up to
    ``most``, chosen by its seed; ``drawn`` makes one by a seed, and the programme has ``draws`` of them; ``odd`` are
    sound."""

    name: str
    listed: Callable[[Sound], Sequence[Trial]]
    drawn: Make | None
    draws: int
    odd: Callable[[Sound], Sequence[Trial]]
    most: int | None = None

    def seed(self, seed: int, number: int) -> Generator:
        """Of one run: the same for the same class, seed and number, whatever else is run."""
        return np.random.default_rng((seed, zlib.crc32(self.name.encode()), number + 1))


def write_json(path: Path, value: Any) -> Path:
    """As any program would write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), "utf-8")
    return path
