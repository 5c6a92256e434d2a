"""What a mixture of precisions is to reach."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SENSITIVITIES", "Goal"]

SENSITIVITIES = ("measured", "relevance")  # the first is the default


@dataclass(frozen=True)
class Goal:
    """On the images of the calibration: ``min_snr`` in decibels beside the model as it was trained, ``min_agreement``, the share of
    images whose first class is the same; or as good as ``max_bytes`` allow. ``sensitivity`` says by what layers are ranked."""

    min_snr: float | None = None
    min_agreement: float | None = None
    max_bytes: int | None = None
    sensitivity: str = SENSITIVITIES[0]
