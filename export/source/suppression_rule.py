"""Which boxes a suppression keeps, without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from cloformer.io.fields import FieldError, Fields

__all__ = ["MOST_CANDIDATES", "MOST_DETECTIONS", "Suppression"]

MOST_DETECTIONS, MOST_CANDIDATES = 300, 4096


@dataclass(frozen=True)
class Suppression:
    """Boxes whose score is above ``score_threshold`` are kept unless a better one of their class overlaps them by more than
    ``iou_threshold`` of the union; of the ``candidates`` best, the ``max_detections`` best that are kept.

    :class:`FieldError` for numbers that cannot be meant.
    """

    max_detections: int = 100
    score_threshold: float = 0.05
    iou_threshold: float = 0.5
    candidates: int = 400

    def __post_init__(self) -> None:
        for name, most in (("max_detections", MOST_DETECTIONS), ("candidates", MOST_CANDIDATES)):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise FieldError(name, f"is {value!r}, not a whole number from 1 to {most}")
        for name in ("score_threshold", "iou_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise FieldError(name, f"is {getattr(self, name)!r}, not a number from 0 to 1")
        if self.candidates < self.max_detections:
            raise FieldError(
                "candidates", f"{self.candidates} are fewer than {self.max_detections} detections"
            )

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Fields) -> Suppression:
        """What :meth:`to_json` gave; :class:`FieldError` for anything else."""
        found = cls(
            fields.whole("max_detections", 1, MOST_DETECTIONS),
            fields.number("score_threshold", 0, 1),
            fields.number("iou_threshold", 0, 1),
            fields.whole("candidates", 1, MOST_CANDIDATES),
        )
        fields.done()
        return found
