"""A linear axis with ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Axis", "round_step"]


@dataclass(frozen=True)
class Axis:
    """A linear axis from ``low`` to ``high``, with a tick at each multiple of ``step``."""

    low: float
    high: float
    step: float

    @classmethod
    def of(cls, low: float, high: float, ticks: int = 6) -> Axis:
        """With ``ticks`` ticks at most."""
        return cls(low, high, round_step((high - low) / max(ticks - 1, 1)))

    @property
    def ticks(self) -> list[float]:
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        return [place * self.step for place in range(first, last + 1)]

    def share(self, value: float) -> float:
        """0 to 1; what is outside is put at the end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def label(self, value: float) -> str:
        """With the digits that tell two ticks apart."""
        return f"{value:,.{max(0, -math.floor(math.log10(self.step) + 1e-9))}f}"


def round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, and no less than ``least``, which is above 0."""
    power = 10.0 ** math.floor(math.log10(least))
    return next((step * power for step in (1, 2, 5) if step * power >= least), 10 * power)
