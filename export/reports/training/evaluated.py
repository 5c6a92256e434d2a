"""What `cloformer evaluate` found, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..shared.words import count, plain, wrapped
from .subject_table import Ran, notes, subject_table

__all__ = ["flips", "notes", "snr", "table"]

# The columns beside the name and what runs it, with their ranks: what does not fit goes by the highest.
_RANKS = {
    "MB": 2, "images": 4, "top-1": 0, "top-1, 95 %": 3, "top-5": 5, "top-5, 95 %": 7, "agrees": 1, "agrees, 95 %": 6, "dB": 1,
}  # fmt: skip
_LISTED = 5  # images of each subject


class FoundScores(Protocol):
    """How often a subject is right: shares with their 95 % intervals."""

    @property
    def top1(self) -> float: ...
    @property
    def top1_interval(self) -> tuple[float, float]: ...
    @property
    def top5(self) -> float: ...
    @property
    def top5_interval(self) -> tuple[float, float]: ...


class FoundFlip(Protocol):
    """An image of which the first class is another than the reference's."""

    @property
    def image(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def found(self) -> str: ...
    @property
    def margin(self) -> float | None: ...


class FoundAgainst(Protocol):
    """What a subject has lost beside the reference."""

    @property
    def reference(self) -> str: ...
    @property
    def agreement(self) -> float: ...
    @property
    def agreement_interval(self) -> tuple[float, float]: ...
    @property
    def snr_db(self) -> float: ...
    @property
    def snr_of(self) -> str: ...
    @property
    def flips(self) -> Sequence[FoundFlip]: ...


class Evaluated(Ran, Protocol):
    """What was evaluated, with its figures; None for what there is not."""

    @property
    def images(self) -> int: ...
    @property
    def bytes(self) -> int | None: ...
    @property
    def scores(self) -> FoundScores | None: ...
    @property
    def against(self) -> FoundAgainst | None: ...


def table(results: Sequence[Evaluated]) -> Iterator[str]:
    """A line per subject: what its files weigh, the shares with their 95 % confidence intervals, and what it has lost beside the
    reference. A column that is empty for all is left out."""
    yield from subject_table(results, [_cells(result) for result in results], _RANKS)
    for result in results:
        if result.against is not None and result.against.snr_of != "logits":
            yield from wrapped(
                f"dB of {plain(result.subject)} is of {result.against.snr_of}: it gives no logits", indent=2
            )


def flips(results: Sequence[Evaluated]) -> Iterator[str]:
    """The images on which a subject's first class is not the reference's, those first that the reference is surest of."""
    for result in results:
        if result.against is None or not result.against.flips:
            continue
        found = sorted(result.against.flips, key=_surest)
        yield from wrapped(
            f"{plain(result.subject)}: another first class than {plain(result.against.reference)} on {count(len(found), 'image')} "
            f"of {result.images:,}; by how many logits that prefers its own:",
            indent=2,
        )
        for flip in found[:_LISTED]:
            margin = "-" if flip.margin is None else f"{flip.margin:.2g}"
            yield from wrapped(
                plain(f"  {margin:>8}  {flip.image}: {flip.reference}, and here {flip.found}"), indent=12
            )
        if len(found) > _LISTED:
            yield f"  and {len(found) - _LISTED:,} more (--json has them)"


def _cells(result: Evaluated) -> dict[str, str]:
    """By the column's head; what there is not is empty."""
    scores, against = result.scores, result.against
    shares = {
        "top-1": None if scores is None else (scores.top1, scores.top1_interval),
        "top-5": None if scores is None else (scores.top5, scores.top5_interval),
        "agrees": None if against is None else (against.agreement, against.agreement_interval),
    }
    found = {
        "MB": "" if result.bytes is None else f"{result.bytes / 1e6:.2f}",
        "images": f"{result.images:,}",
        "dB": "" if against is None else snr(against.snr_db),
    }
    for head, share in shares.items():
        found[head] = "" if share is None else f"{share[0]:.2%}"
        found[f"{head}, 95 %"] = "" if share is None else "{:.2%} to {:.2%}".format(*share[1])
    return found


def snr(value: float) -> str:
    """With a decimal place: thresholds are set by it."""
    return "exact" if value == math.inf else f"{value:.1f}" if math.isfinite(value) else "none"


def _surest(flip: FoundFlip) -> float:
    """To sort by: what has no margin comes first."""
    return -math.inf if flip.margin is None else -flip.margin
