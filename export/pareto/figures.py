"""What artifacts are compared by: a row each, and what was read of one artifact."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["COSTS", "FIGURES", "QUALITIES", "Figure", "Reading"]


@dataclass(frozen=True)
class Figure:
    """``title`` with its ``unit`` heads a column. ``says`` names what measures it."""

    name: str
    title: str
    unit: str
    smaller_is_better: bool
    says: str

    def is_better(self, one: float, other: float) -> bool:
        return one < other if self.smaller_is_better else one > other

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "unit": self.unit, "smaller_is_better": self.smaller_is_better}


@dataclass(frozen=True)
class Reading:
    """A figure of an artifact, in the unit of its row. ``conditions`` say how it was measured: readings are compared where these
    are the same. ``interval`` is at 95 %, None where there is none; ``source`` is the report that says it."""

    value: float
    conditions: Mapping[str, object] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    source: str = ""

    def to_json(self) -> dict[str, object]:
        """JSON has no infinity, which a ratio without noise is: words stand for it."""
        value = self.value if math.isfinite(self.value) else "exact" if self.value > 0 else "none"
        return {"value": value, "interval": None if self.interval is None else list(self.interval)}


_EVALUATE = "cloformer evaluate ARTIFACT --data FOLDER --json > evaluation.json"
FIGURES = {
    row.name: row
    for row in (
        Figure("size", "size", "MB", True, "the manifest"),
        Figure("instructions", "instructions", "million", True, "cloformer bench ARTIFACT --count-only --output work.json"),
        Figure("latency", "latency", "ms", True, "cloformer bench ARTIFACT --output latency.json"),
        Figure("top1", "top-1", "share", False, _EVALUATE),
        Figure("agreement", "agrees", "share", False, _EVALUATE),
        Figure("snr", "SNR", "dB", False, _EVALUATE),
    )
}  # fmt: skip
# Where nobody names any: the size, and the first of each that is known.
COSTS, QUALITIES = ("instructions", "latency"), ("top1", "agreement", "snr")
