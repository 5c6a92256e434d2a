"""Figures of several artifacts side by side, and which of these are dominated.

An artifact is dominated if and only if another is at least as good in every figure that is shown, and better in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .figures import Figure, Reading

__all__ = ["Candidate", "Front", "dominates"]


@dataclass(frozen=True)
class Candidate:
    """An artifact, ``artifact`` as it was given, with a reading of each figure by the figure's name."""

    artifact: str
    format: str
    precision: str
    manifest_sha256: str
    readings: Mapping[str, Reading]

    def value(self, figure: Figure) -> float:
        return self.readings[figure.name].value


def dominates(one: Candidate, other: Candidate, figures: Sequence[Figure]) -> bool:
    """Whether ``one`` is nowhere worse than ``other``, and somewhere better. Equal ones do not dominate one another."""
    pairs = [(figure, one.value(figure), other.value(figure)) for figure in figures]
    return not any(figure.is_better(there, here) for figure, here, there in pairs) and any(
        figure.is_better(here, there) for figure, here, there in pairs
    )


@dataclass(frozen=True)
class Front:
    """``candidates`` have all ``figures``, of which there is one at least."""

    figures: tuple[Figure, ...]
    candidates: tuple[Candidate, ...]

    @cached_property
    def dominators(self) -> tuple[tuple[int, ...], ...]:
        """For each candidate the places of those that dominate it; none if it is not dominated."""
        return tuple(
            tuple(
                place
                for place, other in enumerate(self.candidates)
                if dominates(other, candidate, self.figures)
            )
            for candidate in self.candidates
        )

    @property
    def undominated(self) -> list[int]:
        """The places of those that no other dominates."""
        return [place for place, above in enumerate(self.dominators) if not above]

    def to_json(self) -> dict[str, object]:
        rows = []
        for candidate, above in zip(self.candidates, self.dominators, strict=True):
            rows.append({
                "artifact": candidate.artifact,
                "format": candidate.format,
                "precision": candidate.precision,
                "manifest_sha256": candidate.manifest_sha256,
                "figures": {figure.name: candidate.readings[figure.name].to_json() for figure in self.figures},
                "is_dominated": bool(above),
                "dominated_by": [self.candidates[place].artifact for place in above],
            })  # fmt: skip
        return {
            "schema_version": 1,
            "kind": "cloformer-pareto",
            "figures": [figure.to_json() for figure in self.figures],
            "artifacts": rows,
        }
