"""The model with the weights that a file is meant to hold: what an artifact whose weights are compressed is judged by.

What compressing costs is another question, asked of both models in float64: whether the file is the compressed model, and
whether that is good enough, have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ..formats import FORMATS
from ..source.precision import Precision
from ..source.preprocessing import Preprocessing

if TYPE_CHECKING:
    from ..source.resolve import Source
    from ..source.trace import Trace

__all__ = ["Asked", "written_trace"]


class Asked(Protocol):
    """What of a request decides the weights that are written."""

    @property
    def format(self) -> str: ...
    @property
    def precision(self) -> Precision: ...
    @property
    def reparameterize(self) -> bool: ...
    @property
    def normalizes_inside(self) -> bool: ...
    @property
    def options(self) -> Mapping[str, str]: ...


def written_trace(
    traced: Trace, source: Source, asked: Asked, precision: Precision | None, *, is_compressed: bool = True
) -> tuple[Trace, Mapping[str, Preprocessing]]:
    """``traced``, rewritten by the format's passes, and by those that compress weights if ``precision`` does, which gives the
    model's own outputs; and the preprocessing of the inputs that it takes as pixels, for it normalizes them itself. Where it is
    not to be compressed yet, it is as those passes are given it."""
    from ..passes import Setting, apply_passes

    # A classifier's softmax is no output of the model's.
    setting = Setting.of(traced.signature, source, asked)
    setting = replace(setting, is_classifier=False)
    row = FORMATS[asked.format]
    passes = list(row.passes(setting, precision, reparameterize=asked.reparameterize))
    if precision is not None and not is_compressed:
        del passes[len(passes) - len(row.compression(precision)) :]
    rewritten, _ = apply_passes(traced, passes)
    return rewritten, setting.preprocessing
