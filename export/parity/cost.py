"""What an artifact costs: its outputs beside those of the model as it was trained, in float64.

Whether the file is the model that was meant is another question, which :mod:`.outputs` answers: there a quantized file is held
against the model with its quantized weights. Here all that was given up counts, by weights and by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import numpy as np

from ..reference.cases import Case
from ..source.arrays import Array
from ..source.signature import TensorSpec
from .metrics import Figures, agreement, figures

__all__ = ["Cost", "Limits", "Outcome", "costs", "judged_on"]

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Limits:
    """``min_snr`` in decibels, and ``min_agreement``, a share of rows; None asks for nothing."""

    min_snr: float | None = None
    min_agreement: float | None = None

    @property
    def are_asked(self) -> bool:
        return self.min_snr is not None or self.min_agreement is not None


@dataclass(frozen=True)
class Outcome:
    """The outputs of one case by name: what the artifact gives, and the model as it was trained."""

    case: Case
    got: Mapping[str, Array]
    want: Sequence[tuple[TensorSpec, Array]]


@dataclass(frozen=True)
class Cost:
    """Of one output over ``inputs``, photographs where there are any: ``figures`` of all of them as one; of a classifier, the rows whose
    first class is the model's, ``agreed`` of ``rows``, and by how much the model preferred its own where it is another:
    ``flipped_margins``, in the output's units. ``problem`` is the limit that is not kept."""

    output: str
    inputs: tuple[str, ...]
    figures: Figures
    rows: int
    agreed: int
    flipped_margins: tuple[float, ...]
    problem: str | None = None

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"figures": self.figures.to_json()}

    def held_to(self, limits: Limits) -> Cost:
        """With what is wrong by ``limits``."""
        least, share = limits.min_snr, limits.min_agreement
        if least is not None and not self.figures.snr_db >= least:
            return replace(self, problem=f"{self.figures.snr_db:.1f} dB, and --min-snr asks for {least:g}")
        # By shares, both rounded once: 0.07 * 100 is more than 7.
        if share is not None and self.rows and self.agreed / self.rows < share:
            return replace(
                self,
                problem=f"the first class is the model's on {self.agreed} of {self.rows}, and --min-agreement asks for {share:g}",
            )
        return self


def judged_on(items: Sequence[_Item], case_of: Callable[[_Item], Case]) -> list[_Item]:
    """Those of photographs; where there are none, those of noise."""
    photographs = [item for item in items if case_of(item).kind == "photograph"]
    return photographs or [item for item in items if case_of(item).kind == "noise"]


def costs(outcomes: Sequence[Outcome], limits: Limits) -> list[Cost]:
    """Of every output of numbers, over photographs, or where there are none over noise."""
    usual = judged_on(outcomes, lambda item: item.case)
    found: dict[str, list[tuple[TensorSpec, Array, Array]]] = {}
    for item in usual:
        for spec, want in item.want:
            got = item.got.get(spec.name)
            if got is not None and np.shape(got) == np.shape(want) and want.dtype.kind == "f":
                found.setdefault(spec.name, []).append((spec, got, want))
    names = tuple(item.case.name for item in usual)
    return [_cost(names, pairs).held_to(limits) for pairs in found.values()]


def _cost(names: tuple[str, ...], pairs: Sequence[tuple[TensorSpec, Array, Array]]) -> Cost:
    spec = pairs[0][0]
    got = np.concatenate([np.ravel(one) for _, one, _ in pairs])
    want = np.concatenate([np.ravel(other) for _, _, other in pairs])
    is_classifier = spec.role in ("logits", "probabilities") and bool(spec.shape)
    rows = [row for _, one, other in pairs for row in agreement(one, other)] if is_classifier else []
    margins = tuple(sorted(row.flipped_margin for row in rows if row.flipped_margin is not None))
    return Cost(spec.name, names, figures(got, want), len(rows), len(rows) - len(margins), margins)
