"""Operators that a runtime executed, each with the place in the PyTorch model that it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cloformer.io.words import count

from ..artifact.origins import Origins
from ..formats.profiler import ExecutedOperator, Work

__all__ = [
    "OPERATORS_RUN",
    "UNMAPPED",
    "WHOLE_MODEL",
    "PlacedOperator",
    "grouped",
    "left_out",
    "module_of",
    "uncounted",
]

WHOLE_MODEL = "(the model itself)"
OPERATORS_RUN = "as the runtime runs them: it joins some of the file's, and adds some that change a layout"
UNMAPPED = "(not traced to a module)"


@dataclass(frozen=True)
class PlacedOperator:
    """One operator that the runtime ran.

    ``value`` is the value of the file that it computes, ``stands_for`` the file's operators that became it:
    none for one that only moves a value. ``node``, ``module`` and ``location`` are those of the trace; None if
    they are not known, while the module "" is the model itself. ``output`` is the shape of its first output.
    """

    name: str
    operator: str
    work: Work
    value: str | None
    stands_for: tuple[str, ...]
    node: str | None
    module: str | None
    location: str | None
    output: tuple[int, ...] | None

    @classmethod
    def of(cls, operator: ExecutedOperator, origins: Origins) -> PlacedOperator:
        """Its place is that of the first of its values which has one."""
        place = next(
            (origins.places[value] for value in operator.origin_values if value in origins.places), None
        )
        return PlacedOperator(
            name=operator.name,
            operator=operator.operator,
            work=operator.work,
            value=operator.value,
            stands_for=operator.stands_for,
            node=None if place is None else place.name,
            module=None if place is None else place.module,
            location=None if place is None else place.location,
            output=operator.output,
        )

    def place_json(self) -> dict[str, object]:
        return {
            "operator": self.operator,
            "multiply_adds": self.work.multiply_adds,
            "value": self.value,
            "stands_for": list(self.stands_for),
            "node": self.node,
            "module": self.module,
            "location": self.location,
            "output": None if self.output is None else list(self.output),
        }


_Operator = TypeVar("_Operator", bound=PlacedOperator)


def module_of(row: PlacedOperator, depth: int) -> str:
    """The module that it comes from, down to ``depth`` names."""
    if row.module is None:
        return UNMAPPED
    return ".".join(row.module.split(".")[:depth]) or WHOLE_MODEL


def grouped(rows: Iterable[_Operator], key: Callable[[_Operator], str]) -> dict[str, list[_Operator]]:
    """Rows of the same key, in the order in which the first of each stands."""
    found: dict[str, list[_Operator]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def uncounted(rows: Iterable[ExecutedOperator | PlacedOperator], known: frozenset[str]) -> list[str]:
    """Types of the file's operators that leave multiply-adds unknown: ``known`` ones, or else all that are suspect."""
    names = {name for row in rows if row.work.multiply_adds is None for name in row.stands_for}
    return sorted(names & known or names)


def left_out(rows: Sequence[PlacedOperator], known: frozenset[str], consequence: str) -> list[str]:
    """What the numbers leave out: places, and multiply-adds, whose ``consequence`` is told."""
    notes = []
    unmapped = sorted({row.operator for row in rows if row.module is None})
    if unmapped:
        total = sum(row.module is None for row in rows)
        notes.append(f"not traced to a module: {count(total, 'operator')} ({', '.join(unmapped)})")
    if any(row.work.multiply_adds is None for row in rows):
        found = [name for name in uncounted(rows, known) if name in known]
        names = ", ".join(found) or "operators without known shapes"
        notes.append(f"multiply-adds are not counted for {names}: {consequence}")
    return notes
