"""What a fault is: a name, the operators it can be planted at, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from .graph import Graph, Operator

__all__ = ["FAULTS", "Fault", "fault"]

Where = Callable[[Graph, Operator], bool]
Plant = Callable[[Graph, Operator, Generator], str]


@dataclass(frozen=True)
class Fault:
    """``plant`` edits the graph at an operator that ``fits`` and says in words what it did."""

    name: str
    fits: Where
    plant: Plant


FAULTS: dict[str, Fault] = {}


def fault(name: str, fits: Where) -> Callable[[Plant], Plant]:
    """Enter a function in the table of faults."""

    def enter(plant: Plant) -> Plant:
        assert name not in FAULTS, name
        FAULTS[name] = Fault(name, fits, plant)
        return plant

    return enter
