"""A file's operators with who gives and who reads each value, and which numbers were met."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

from ..formats.view import FileView, Kind, OperatorView

__all__ = ["Graph", "Magnitudes", "Peak"]


@dataclass(frozen=True)
class Peak:
    """The worst number that was met, and the case that it was met on."""

    number: float
    case: str = ""

    def __str__(self) -> str:
        return f"{self.number:,.4g} on {self.case}"


_NOTHING = Peak(float("-inf"))


@dataclass(frozen=True)
class Magnitudes:
    """Of an operator, the worst over all cases that were run: the ``highest`` number that it takes, the highest that it ``gives``, the
    ``largest`` magnitude that it gives, and the largest ``total`` of the magnitudes, or the squares, that it adds up. Minus infinity
    where nothing was met."""

    highest: Peak = _NOTHING
    gives: Peak = _NOTHING
    largest: Peak = _NOTHING
    total: Peak = _NOTHING

    def merged(self, other: Magnitudes) -> Magnitudes:
        """The worst of both, each of its own case."""
        pairs = ((getattr(self, item.name), getattr(other, item.name)) for item in fields(self))
        return Magnitudes(*(max(pair, key=lambda item: item.number) for pair in pairs))


@dataclass(frozen=True)
class Graph:
    """``magnitudes`` by the first value of each operator that rules measure; empty where the file was not run."""

    view: FileView
    magnitudes: Mapping[str, Magnitudes] = field(default_factory=dict)

    @cached_property
    def makers(self) -> Mapping[str, OperatorView]:
        """The operator that gives each value."""
        return {name: operator for operator in self.view.operators for name in operator.outputs}

    @cached_property
    def readers(self) -> Mapping[str, Sequence[OperatorView]]:
        """The operators that read each value."""
        found: dict[str, list[OperatorView]] = {}
        for operator in self.view.operators:
            for name in dict.fromkeys(operator.inputs):
                found.setdefault(name, []).append(operator)
        return found

    def of(self, *kinds: Kind) -> Iterator[OperatorView]:
        """The operators of these kinds, in order."""
        return (operator for operator in self.view.operators if operator.kind in kinds)

    def shape(self, value: str) -> tuple[int | None, ...]:
        found = self.view.values.get(value)
        return (found.shape if found is not None else None) or ()

    def dtype(self, value: str) -> str:
        found = self.view.values.get(value)
        return found.dtype if found is not None else ""

    def met(self, operator: OperatorView) -> Magnitudes:
        """What was met at the operator; nothing where it was not run."""
        return self.magnitudes.get(operator.value, Magnitudes())

    def after(self, operator: OperatorView, through: Collection[Kind]) -> Iterator[OperatorView]:
        """The operators that read what it gives, and behind those of the kinds ``through`` the ones that read theirs, each once."""
        return self._walk(
            operator, through, lambda item: [r for name in item.outputs for r in self.readers.get(name, ())]
        )

    def before(self, operator: OperatorView, through: Collection[Kind]) -> Iterator[OperatorView]:
        """The operators that give what it reads, and so on before those of the kinds ``through``."""
        return self._walk(
            operator, through, lambda item: [self.makers[n] for n in item.inputs if n in self.makers]
        )

    def groups(self, wanted: Callable[[OperatorView], bool]) -> list[list[OperatorView]]:
        """The wanted operators, those together that read what another of them gives."""
        of_value: dict[str, list[OperatorView]] = {}
        groups: list[list[OperatorView]] = []
        for operator in filter(wanted, self.view.operators):
            known = next((of_value[name] for name in operator.inputs if name in of_value), None)
            if known is None:
                groups.append(known := [])
            known.append(operator)
            of_value |= dict.fromkeys(operator.outputs, known)
        return groups

    @staticmethod
    def _walk(
        start: OperatorView,
        through: Collection[Kind],
        step: Callable[[OperatorView], Sequence[OperatorView]],
    ) -> Iterator[OperatorView]:
        waiting, seen = list(step(start)), set()
        while waiting:
            operator = waiting.pop(0)
            if operator.value in seen:
                continue
            seen.add(operator.value)
            yield operator
            if operator.kind in through:
                waiting += step(operator)
