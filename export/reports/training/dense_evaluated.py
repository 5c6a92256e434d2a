"""What `cloformer evaluate` found of maps of classes and boxes, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from .subject_table import Ran, notes, subject_table

__all__ = ["notes", "table"]

# The columns beside the name and what runs it, with their ranks: what does not fit goes by the highest.
_RANKS = {
    "MB": 2, "images": 4, "mIoU": 0, "mIoU, 95 %": 3, "pixels right": 1, "AP": 0, "AP, 95 %": 3, "AP50": 1, "AP75": 5, "AR100": 6,
    "drop": 1, "drop, 95 %": 2,
}  # fmt: skip
_FIGURES = {"ap50": "AP50", "ap75": "AP75", "ar100": "AR100"}
_NAMES = {"miou": "mIoU", "ap": "AP"}


class FoundEstimate(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def interval(self) -> tuple[float, float] | None: ...


class FoundScores(Protocol):
    """Of maps or of boxes."""

    @property
    def main(self) -> FoundEstimate: ...
    def to_json(self) -> dict[str, object]: ...


class Evaluated(Ran, Protocol):
    """What was evaluated, with its figures; None for what there is not."""

    @property
    def images(self) -> int: ...
    @property
    def bytes(self) -> int | None: ...
    @property
    def scores(self) -> FoundScores: ...
    @property
    def fall(self) -> FoundEstimate | None: ...


def table(results: Sequence[Evaluated]) -> Iterator[str]:
    """A line per subject: what its files weigh, the figures with their 95 % confidence intervals, and by how much the main one is
    below the reference's."""
    yield from subject_table(results, [_cells(result) for result in results], _RANKS)


def _cells(result: Evaluated) -> Mapping[str, str]:
    found = dict.fromkeys(_RANKS, "")
    figures = result.scores.to_json()
    found["MB"] = "" if result.bytes is None else f"{result.bytes / 1e6:.2f}"
    found["images"] = f"{result.images:,}"
    for key, name in _NAMES.items():
        if key in figures:
            found[name], found[f"{name}, 95 %"] = _shown(result.scores.main)
    if "pixel_accuracy" in figures:
        found["pixels right"] = f"{figures['pixel_accuracy']:.2%}"
    for key, name in _FIGURES.items():
        value = figures.get(key)
        found[name] = "" if value is None else f"{value:.2%}"
    if result.fall is not None:
        found["drop"], found["drop, 95 %"] = _shown(result.fall)
    return found


def _shown(figure: FoundEstimate) -> tuple[str, str]:
    interval = "" if figure.interval is None else "{:.2%} to {:.2%}".format(*figure.interval)
    return f"{figure.value:.2%}", interval
