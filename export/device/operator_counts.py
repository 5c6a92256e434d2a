"""What each operator of an inference takes on the emulated device: instructions, by operator and by PyTorch module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..latency.placed import PlacedOperator, grouped, module_of

__all__ = ["CountedOperator", "InstructionGroup", "InstructionProfile"]


@dataclass(frozen=True)
class CountedOperator(PlacedOperator):
    """``instructions`` of one inference."""

    instructions: int


@dataclass(frozen=True)
class InstructionGroup:
    """Operators summed up; ``share`` is of all operators' instructions."""

    name: str
    operators: int
    instructions: int
    share: float
    multiply_adds: int

    @property
    def per_multiply_add(self) -> float | None:
        """Instructions for each multiply-add; None if there is none."""
        return self.instructions / self.multiply_adds if self.multiply_adds else None

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "operators": self.operators,
            "instructions": self.instructions,
            "share": self.share,
            "multiply_adds": self.multiply_adds,
            "instructions_per_multiply_add": self.per_multiply_add,
        }


@dataclass(frozen=True)
class InstructionProfile:
    """Rows in the order they run. ``instructions`` are those of the same inference without a profiler, exact.

    ``made_for`` is the processor that the artifact's passes are for, None if its format has no such choice.
    """

    artifact: str
    model: str
    format: str
    precision: str
    made_for: str | None
    manifest_sha256: str
    runtime: str
    rows: tuple[CountedOperator, ...]
    instructions: int
    notes: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def total(self) -> InstructionGroup:
        """All operators: what every share is of."""
        return self._group("all operators", self.rows)

    @property
    def excess(self) -> float:
        """By which share of the inference the operators' sum is above it; below zero where the runtime itself takes time."""
        return self.total.instructions / self.instructions - 1

    def by_operator(self) -> list[tuple[CountedOperator, InstructionGroup]]:
        """Each operator and its own figures, the dearest first."""
        pairs = [(row, self._group(row.name, [row])) for row in self.rows]
        return sorted(pairs, key=lambda pair: -pair[1].instructions)

    def by_type(self) -> list[InstructionGroup]:
        """By type of the runtime's operator, the dearest first."""
        return self._groups(grouped(self.rows, lambda row: row.operator))

    def by_module(self, depth: int) -> list[InstructionGroup]:
        """By PyTorch module down to ``depth`` names, the dearest first."""
        return self._groups(grouped(self.rows, lambda row: module_of(row, depth)))

    def to_json(self, depth: int = 2) -> dict[str, object]:
        return {
            "schema_version": 1,
            "measured_on": self.environment["device"],
            "artifact": self.artifact,
            "model": self.model,
            "format": self.format,
            "precision": self.precision,
            "made_for": self.made_for,
            "manifest_sha256": self.manifest_sha256,
            "runtime": self.runtime,
            "instructions": self.instructions,
            "total": self.total.to_json(),
            "sum_excess": self.excess,
            "depth": depth,
            "by_module": [group.to_json() for group in self.by_module(depth)],
            "by_type": [group.to_json() for group in self.by_type()],
            "operators": [self._group(row.name, [row]).to_json() | row.place_json() for row in self.rows],
            "notes": list(self.notes),
            "environment": dict(self.environment),
        }

    def _groups(self, found: Mapping[str, Iterable[CountedOperator]]) -> list[InstructionGroup]:
        groups = [self._group(name, rows) for name, rows in found.items()]
        return sorted(groups, key=lambda group: -group.instructions)

    def _group(self, name: str, rows: Iterable[CountedOperator]) -> InstructionGroup:
        rows = list(rows)
        total = sum(row.instructions for row in self.rows)
        instructions = sum(row.instructions for row in rows)
        return InstructionGroup(
            name,
            len(rows),
            instructions,
            instructions / total if total else 0.0,
            sum(row.work.multiply_adds or 0 for row in rows),
        )
