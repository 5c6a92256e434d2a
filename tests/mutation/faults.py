"""What a fault is: a name, the operators it can be planted at, and how.

``FAULTS`` are those of CloFormer's score, which draws from them by seed: a fault that joined them would change what each
seed means. ``MORE`` are those that other networks have besides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from .graph import Graph, Operator

__all__ = ["FAULTS", "MORE", "Fault", "fault"]

Where = Callable[[Graph, Operator], bool]
Plant = Callable[[Graph, Operator, Generator], str]


@dataclass(frozen=True)
class Fault:
    """``plant`` edits the graph at an operator that ``fits`` and says in words what it did."""

    name: str
    fits: Where
    plant: Plant


FAULTS: dict[str, Fault] = {}
MORE: dict[str, Fault] = {}


def fault(name: str, fits: Where, table: dict[str, Fault] = FAULTS) -> Callable[[Plant], Plant]:
    """Enter a function in a table of faults."""

    def enter(plant: Plant) -> Plant:
        assert name not in FAULTS and name not in MORE, name
        table[name] = Fault(name, fits, plant)
        return plant

    return enter
