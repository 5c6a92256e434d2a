"""The number formats an artifact's weights and activations have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PRECISIONS", "Precision"]


@dataclass(frozen=True)
class Precision:
    """What weights and activations are stored and computed in.

    ``granularity`` is what one scale of a quantized weight covers; ``exceptions`` names operators
    that are kept in another precision.
    """

    name: str
    weights: str
    activations: str
    granularity: str = "tensor"
    exceptions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "weights": self.weights,
            "activations": self.activations,
            "granularity": self.granularity,
            "exceptions": dict(self.exceptions),
        }


# The names on the command line. Which of them a format has stands in FORMATS.
PRECISIONS: dict[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision("fp32", "float32", "float32"),
        Precision("fp16", "float16", "float16"),
    )
}
