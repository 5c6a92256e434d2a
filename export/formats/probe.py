"""What a probe is made of: a format's module that says which values are inside a written model, and writes the same operators and
weights with some of these values as further outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["ALL", "MODES", "MODULES", "InnerValue", "ProbeWriter"]

MODULES, ALL = "modules", "all"  # which values: those between modules, or those of every operator
MODES = (MODULES, ALL)

_BITS = {
    "float64": 64,
    "int64": 64,
    "uint64": 64,
    "float16": 16,
    "int16": 16,
    "uint16": 16,
    "bool": 8,
    "int8": 8,
    "uint8": 8,
}


@dataclass(frozen=True)
class InnerValue:
    """A value that an operator computes. ``dtype`` is its type where the probe gives it, by NumPy's name, ``shape`` its sizes, and
    ``output`` the name of the probe's output that it is. ``reads`` are the values that its operator reads, constants left out."""

    name: str
    output: str
    dtype: str
    shape: tuple[int, ...]
    reads: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Of its numbers in the probe."""
        return math.prod(self.shape) * _BITS.get(self.dtype, 32) // 8


class ProbeWriter(Protocol):
    """A module ``probe`` of a format's folder."""

    MOST_OUTPUTS: int | None  # that one model gives besides its own; None: as many as there are
    MOST_BYTES: int  # that they take together

    def inner_values(self, path: Path) -> tuple[list[InnerValue], dict[str, tuple[str, ...]]]:
        """The values that can be outputs, in the order they are computed; and what every value is computed from, the others
        included. :class:`InputError` for a file that cannot be read."""

    def write_probe(self, path: Path, values: Sequence[InnerValue], target: Path) -> None:
        """The model at ``path`` with ``values`` as outputs behind its own, at ``target``: a file, or a package's folder."""

    def optimization(self, path: Path) -> str | None:
        """The level of the runtime's optimizer that the probe needs to give values as they are; None: the app's own."""
