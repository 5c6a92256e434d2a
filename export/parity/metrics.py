"""How far one array is from another."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from ..reference.loss import cosine, errors
from ..source.arrays import Array

__all__ = ["Agreement", "Figures", "agreement", "figures", "worst"]


@dataclass(frozen=True)
class Figures:
    """``max_abs`` in the output's units; ``max_rel`` is it over ``largest``, the largest finite magnitude of the
    reference; ``snr_db`` is 10 log10 of the reference's energy over the error's; ``cosine`` of the two as vectors.

    A value that is not finite in one and not the same in the other makes ``max_abs`` infinite.
    """

    max_abs: float
    max_rel: float
    largest: float
    snr_db: float
    cosine: float

    def to_json(self) -> dict[str, object]:
        """JSON has no infinity: None stands for it."""
        return {key: value if math.isfinite(value) else None for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Agreement:
    """Of a classifier: whether the first class and how many of the first five agree (a share), and, where the
    first differs, by how much the reference preferred its own (in the output's units)."""

    top1: bool
    top5: float
    flipped_margin: float | None


def figures(got: Array, want: Array) -> Figures:
    """Both as float64; shapes must be equal."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape:
        raise ValueError(f"{got.shape} is compared with {want.shape}")
    error = errors(got, want)
    max_abs = float(error.max(initial=0))
    there = np.isfinite(want)
    largest = float(np.abs(want[there]).max(initial=0))
    if not math.isfinite(max_abs):
        return Figures(math.inf, math.inf, largest, -math.inf, 0.0)
    # Infinities that agree take no part; the rest is scaled, so that no square leaves float64's range.
    scale = max(largest, max_abs) or 1.0
    energy, noise = float(((want[there] / scale) ** 2).sum()), float(((error[there] / scale) ** 2).sum())
    snr = math.inf if noise == 0 else 10 * math.log10(energy / noise) if energy else -math.inf
    max_rel = 0.0 if not max_abs else max_abs / largest if largest else math.inf
    return Figures(max_abs, max_rel, largest, snr, cosine(got, want))


def agreement(got: Array, want: Array) -> list[Agreement]:
    """Of scores (.., classes), one for each row; the margin is in the units of ``want``."""
    rows = []
    for found, expected in zip(
        np.reshape(got, (-1, np.shape(got)[-1])), np.reshape(want, (-1, np.shape(want)[-1])), strict=True
    ):
        order, wanted = np.argsort(-found, kind="stable"), np.argsort(-expected, kind="stable")
        same = bool(order[0] == wanted[0])
        count = min(5, len(expected))
        shared = len(set(order[:count].tolist()) & set(wanted[:count].tolist())) / count
        margin = None if same else float(expected[wanted[0]] - expected[order[0]])
        rows.append(Agreement(same, shared, margin))
    return rows


def worst(items: list[Figures]) -> Figures:
    """The worst of each figure, with the smallest reference's magnitude: a bound over all."""
    return Figures(
        max(item.max_abs for item in items),
        max(item.max_rel for item in items),
        min(item.largest for item in items),
        min(item.snr_db for item in items),
        min(item.cosine for item in items),
    )
