"""What a mixture of precisions is to reach."""

from __future__ import annotations

from dataclasses import dataclass

from cloformer.errors import UnsupportedError

from ..source.signature import TensorSpec

__all__ = ["SENSITIVITIES", "Goal"]

SENSITIVITIES = ("measured", "relevance")  # the first is the default


@dataclass(frozen=True)
class Goal:
    """On the images of the calibration: ``min_snr`` in decibels beside the model as it was trained, ``min_agreement``, the share of
    images whose first class is the same, and ``max_accuracy_drop``, the share of images by which first guesses may be right less
    often, shown by the paired interval; or as good as ``max_bytes`` allow. ``sensitivity`` says by what layers are ranked."""

    min_snr: float | None = None
    min_agreement: float | None = None
    max_accuracy_drop: float | None = None
    max_bytes: int | None = None
    sensitivity: str = SENSITIVITIES[0]

    @property
    def asks_for_quality(self) -> bool:
        return (self.min_snr, self.min_agreement, self.max_accuracy_drop) != (None, None, None)

    def refuse_without_classes(self, output: TensorSpec) -> None:
        """:class:`UnsupportedError` for a goal of first classes and a model whose first ``output`` gives none."""
        asked = {"--min-agreement": self.min_agreement, "--max-accuracy-drop": self.max_accuracy_drop}
        option = next((name for name, value in asked.items() if value is not None), None)
        if option is not None and (len(output.shape) != 2 or not output.dtype.startswith("float")):
            shape = "x".join(map(str, output.shape))
            raise UnsupportedError(
                f"{option} is of the first class, and the model's output {output.name} ({shape}, {output.dtype}) has no score for each class",
                "hold it to decibels: --min-snr 30",
            )
