"""The model with the weights that a file is meant to hold: what an artifact whose weights are compressed is judged by.

What compressing costs is another question, asked of both models in float64: whether the file is the compressed model, and
whether that is good enough, have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..formats import FORMATS
from ..source.arrays import Array
from ..source.preprocessing import Preprocessing
from .references import Reference

if TYPE_CHECKING:
    from ..source.precision import Precision
    from ..source.resolve import Source
    from ..source.trace import Trace

__all__ = ["Asked", "written_reference"]


class Asked(Protocol):
    """What of a request decides the weights that are written."""

    @property
    def format(self) -> str: ...
    @property
    def precision(self) -> Precision: ...
    @property
    def reparameterize(self) -> bool: ...


def written_reference(traced: Trace, source: Source, asked: Asked) -> Reference:
    """``traced``, rewritten by the format's passes, those that compress weights among them; it takes the model's own inputs and
    gives the model's own outputs."""
    from ..passes import Setting, apply_passes
    from ..passes.normalize_inside import NormalizeInside

    setting = replace(
        Setting.of(traced.signature, source), is_classifier=False
    )  # whose softmax is no output of the model's
    passes = FORMATS[asked.format].passes(setting, asked.precision, reparameterize=asked.reparameterize)
    rewritten, _ = apply_passes(traced, passes)
    inside = any(isinstance(each, NormalizeInside) for each in passes)
    return _TakesPixels(rewritten, source.preprocessing) if inside else Reference(rewritten)


class _TakesPixels(Reference):
    """A trace that normalizes its images itself, fed with what the model is fed."""

    def __init__(self, traced: Trace, preprocessing: Mapping[str, Preprocessing]) -> None:
        super().__init__(traced)
        self._preprocessing = preprocessing

    def fed(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        return {
            name: value if name not in self._preprocessing else _pixels(value, self._preprocessing[name])
            for name, value in inputs.items()
        }


def _pixels(normalized_NCHW: Array, rule: Preprocessing) -> Array:
    """The whole numbers that the normalized ones, in float64, were made of."""
    column = (1, -1, 1, 1)
    mean, std = np.reshape(rule.mean, column), np.reshape(rule.std, column)
    found: Array = np.rint((np.asarray(normalized_NCHW, np.float64) * std + mean) / rule.scale)
    return found
