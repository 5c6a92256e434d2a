"""The largest fault that passes, in roundings: every result of an operator made larger by so many, until parity says so.

Parity judges each operator on what it was given, so the results of all can be wrong at once and none hides another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .subject import Subject

__all__ = ["STEPS", "Largest", "largest_that_pass"]

# Even, so that 1 plus so many roundings is a number of the format.
STEPS = (2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 512)


@dataclass(frozen=True)
class Largest:
    """One value: ``passed`` is the largest of ``STEPS`` that did (0 if none) and ``allowed`` the largest error that passes
    at any place, both in roundings of the value's largest magnitude."""

    subject: str
    value: str
    kind: str
    passed: int
    allowed: float

    @property
    def ratio(self) -> float:
        """Of what passed to what is allowed."""
        return self.passed / self.allowed if self.allowed else math.inf if self.passed else 0.0


def largest_that_pass(subject: Subject, steps: Sequence[int] = STEPS) -> list[Largest]:
    """One for each value that parity compares and that holds numbers."""
    made = {value for operator in subject.graph.operators for value in operator.outputs}
    allowed = subject.most_allowed()
    results = {result.value: result for result in subject.compared_operators(subject.artifact)}
    passed = {name: 0 for name in results if name in made and name in allowed}
    kinds = {name: subject.kind_of(results[name]) for name in passed}
    within = set(passed)
    for step in steps:
        if not within:
            break
        subject.graph.restore()
        subject.graph.scale_results(dict.fromkeys(within, 1 + step * subject.roundoff))
        mutant = subject.graph.write(subject.work)
        wrong = {result.value for result in subject.compared_operators(mutant) if not result.passed}
        within -= wrong
        passed |= dict.fromkeys(within, step)
    return [Largest(subject.name, name, kinds[name], passed[name], allowed[name]) for name in passed]
