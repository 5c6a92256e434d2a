"""How stored numbers are spread, in a few figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ..source.arrays import Array

__all__ = ["FEW", "Spread", "spread"]

FEW = 8  # numbers that are shown as they are
_BINS = 32


@dataclass(frozen=True)
class Spread:
    """``counts`` are of equal steps from ``low`` to ``high``, both included; numbers that are not finite are in none, and counted
    in ``not_finite``. ``zeros`` are counted in their step, too. ``few`` are the numbers themselves, where these are at most ``FEW``,
    as they are written."""

    low: float
    high: float
    mean: float
    deviation: float
    zeros: int
    not_finite: int
    counts: tuple[int, ...]
    few: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def spread(numbers: Array) -> Spread | None:
    """Of all numbers of an array; None where none of them is finite and they are not few."""
    flat = np.asarray(numbers).reshape(-1)
    few = (
        tuple(f"{number:.9g}" if flat.dtype.kind == "f" else str(number) for number in flat.tolist())[:FEW]
        if flat.size <= FEW
        else ()
    )
    wide = flat.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    if not finite.size:
        return Spread(0.0, 0.0, 0.0, 0.0, 0, int(wide.size), (), few) if few else None
    low, high = float(finite.min()), float(finite.max())
    counts = [finite.size] if low == high else np.histogram(finite, _BINS, (low, high))[0].tolist()
    return Spread(
        low,
        high,
        float(finite.mean()),
        float(finite.std()),
        int((finite == 0).sum()),
        int(wide.size - finite.size),
        tuple(map(int, counts)),
        few,
    )
