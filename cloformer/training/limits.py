"""What is asked of a model's figures: a gate each. What could not be measured has not passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from cloformer.errors import UsageError
from cloformer.export.accuracy.judged import Judged
from cloformer.export.accuracy.paired import Drop

from .beside import Against
from .evaluate import Evaluation

__all__ = ["Limits"]

_NEED_LABELS = ("min_top1", "max_accuracy_drop")
_NEED_A_REFERENCE = ("min_agreement", "min_snr", "max_accuracy_drop")


@dataclass(frozen=True)
class Limits:
    """``min_top1`` and ``min_agreement`` are shares of images, ``min_snr`` is in decibels, and ``max_accuracy_drop`` is the share
    of images by which first guesses may be right less often than the reference's; None asks for nothing."""

    min_top1: float | None = None
    min_agreement: float | None = None
    min_snr: float | None = None
    max_accuracy_drop: float | None = None

    def to_json(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def refuse_early(self, data: Judged, *, has_reference: bool) -> None:
        """:class:`UsageError` for a limit that these images, or these subjects, cannot be held to."""
        first = self._first(_NEED_LABELS)
        if first is not None:
            data.labelled_for(first)
        first = self._first(_NEED_A_REFERENCE)
        if first is not None and not has_reference:
            raise UsageError(
                f"{first} holds models to a reference, and none is given",
                "add the checkpoint that they were exported from, --weights best.safetensors, or --model nets.py:build",
            )

    def problems(self, found: Evaluation) -> Iterator[str]:
        """What is not kept, a line each. The reference is not held to itself."""
        if self.min_top1 is not None and (found.scores is None or found.scores.top1 < self.min_top1):
            shown = "no top-1" if found.scores is None else f"{found.scores.top1:.2%}"
            yield f"{shown} is below {self.min_top1:.2%}"
        if found.is_reference or self._first(_NEED_A_REFERENCE) is None:
            return
        if found.against is None:
            yield "its classes are not the reference's, so nothing can be compared"
            return
        yield from self._of_agreement(found.against)
        if self.max_accuracy_drop is not None and found.against.drop is not None:
            yield from _of_drop(found.against.drop, self.max_accuracy_drop)

    def _of_agreement(self, found: Against) -> Iterator[str]:
        least = self.min_agreement
        # Shares, and not the share times the images: 0.55 * 100 is more than 55.
        if least is not None and found.agreement < least:
            yield (
                f"the first class is the reference's on {found.agreed:,} of {found.images:,}, "
                f"and --min-agreement asks for {least:.2%}"
            )
        if self.min_snr is not None and not found.snr_db >= self.min_snr:
            yield f"{found.snr_db:.1f} dB of {found.snr_of}, and --min-snr asks for {self.min_snr:g}"

    def _first(self, names: tuple[str, ...]) -> str | None:
        """The first of these that is asked for, as its option."""
        asked = (name for name in names if getattr(self, name) is not None)
        return next((f"--{name.replace('_', '-')}" for name in asked), None)


def _of_drop(drop: Drop, most: float) -> Iterator[str]:
    if drop.is_within(most):
        return
    measured = f"the drop of top-1 is {drop}, and --max-accuracy-drop allows {most:.2%}"
    needed = drop.images_needed(most)
    if drop.interval[0] > most:
        yield measured
    elif needed is None:
        yield f"{measured}; more images would not show less, if as many are lost"
    else:
        yield f"{measured}; too few images to tell: if as large a share differs, {needed:,} are needed"
