"""Published cliffs of the Neural Engine that a program meets: at which operator, on how many values, and from which gain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..formats.coreml.cliffs import Cliff, CliffMet
from ..source.origin import Origin

__all__ = ["FoundCliff", "found_cliffs"]


@dataclass(frozen=True)
class FoundCliff:
    """A cliff at one operator of a written model, on the input that meets it most. ``gain`` is the smallest number tried that the inputs
    are multiplied with for it to be met, 1 if it is met as they are; the figures in ``met`` are those at this gain."""

    met: CliffMet
    node: str
    module: str
    location: str
    gain: float = 1.0

    @property
    def cliff(self) -> Cliff:
        return self.met.cliff

    @property
    def where(self) -> str:
        """The operator and its place."""
        return f"{self.met.kind} {self.met.value} at {self.module or 'the model'} ({self.location})"

    def __str__(self) -> str:
        figures = f"{self.met.figures} ({self.cliff.source})"
        return f"{self.where} would give {self.cliff.gives} there: {figures}"

    def worse(self, known: FoundCliff | None) -> FoundCliff:
        """Of the same cliff at the same operator the one that is met at the smaller gain; at the same gain, by more values."""
        if known is None or self.gain < known.gain:
            return self
        return known if known.gain < self.gain else replace(known, met=self.met.worse(known.met))

    def to_json(self) -> dict[str, object]:
        """What is not finite is null."""
        met = self.met
        return {
            "cliff": met.cliff.name,
            "gives": met.cliff.gives,
            "where": met.cliff.where,
            "source": met.cliff.source,
            "value": met.value,
            "kind": met.kind,
            "node": self.node,
            "module": self.module,
            "location": self.location,
            "values_met": met.count,
            "values": met.of,
            "largest": met.largest if math.isfinite(met.largest) else None,
            "gain": self.gain,
        }


def found_cliffs(
    met: Sequence[CliffMet], places: Mapping[str, Origin], gain: float = 1.0
) -> list[FoundCliff]:
    """Each with its place in the model."""
    found = [(item, places.get(item.value, Origin("", "", ""))) for item in met]
    return [FoundCliff(item, place.name, place.module, place.location, gain) for item, place in found]
