"""The models of one call: what several artifacts were exported from is made once, and traced once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .make import Made, make_model
from .resolve import Source
from .signature import TensorSpec

if TYPE_CHECKING:
    from .trace import Trace

__all__ = ["Models"]


class Models:
    """Models by what they are made of, and their traces. Who asks twice gets the same module, which nothing may change."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Path | None, int | None, int], Made] = {}
        self._traced: dict[tuple[int, tuple[TensorSpec, ...], tuple[str, ...]], tuple[Source, Trace]] = {}

    def make(self, reference: str, weights: Path | None, num_classes: int | None, seed: int) -> Made:
        """As :func:`.make.make_model`, with its errors."""
        asked = (reference, weights, num_classes, seed)
        if asked not in self._made:
            self._made[asked] = make_model(*asked)
        return self._made[asked]

    def trace(self, source: Source) -> Trace:
        """As :func:`.trace.trace`, with its errors."""
        from .trace import trace

        # The source is kept too, so that no other module can have its model's identity.
        asked = (id(source.model), tuple(source.inputs), tuple(source.output_names))
        if asked not in self._traced:
            self._traced[asked] = source, trace(source.model, source.inputs, source.output_names)
        return self._traced[asked][1]
