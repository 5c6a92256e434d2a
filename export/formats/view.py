"""The operators of a written model in words that every format has in common, read from the file itself.

A format's folder has a module ``view`` that gives this: what a rule about phones and a picture of the graph need of an operator.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..source.arrays import Array

__all__ = ["ConstantView", "FileView", "Kind", "OperatorView", "ReadsView", "ValueView"]


class Kind(enum.Enum):
    """What an operator does, as far as that matters here."""

    CONVOLUTION = "convolution"
    LAYER = "linear layer"
    PRODUCT = "product of matrices"
    ATTENTION = "attention"
    SOFTPLUS = "softplus"
    ACTIVATION = "activation"
    LOGSUMEXP = "logarithm of a sum of exponentials"
    EXPONENTIAL = "exponential"
    LOGARITHM = "logarithm"
    SUM = "sum"
    MEAN = "mean"
    SQUARES = "sum of squares"
    NORMALIZATION = "normalization"
    SOFTMAX = "softmax"
    SLICE = "slice"
    AVERAGE_POOLING = "average pooling"
    ARGMAX = "argmax"
    TOPK = "topk"
    GATHER = "gather"
    SHAPE = "shape"
    CAST = "cast"
    MOVE = "move"  # reshapes, transposes, copies: each number stays what it is
    JOIN = "concatenation"
    ADD = "sum of two"
    SCALE = "product of two"
    DIVIDE = "quotient"
    LARGER = "larger of two"
    ROOT = "root or reciprocal"
    OTHER = "other"


@dataclass(frozen=True)
class ValueView:
    """``shape`` is None where the rank is not known, a size None where it is not; ``dtype`` as NumPy names it."""

    shape: tuple[int | None, ...] | None
    dtype: str

    @property
    def rank(self) -> int | None:
        return None if self.shape is None else len(self.shape)


@dataclass(frozen=True)
class ConstantView:
    """Numbers that the file stores: weights, and what says sizes. ``key`` is the same for operators that read the same ones; ``bytes``
    and ``dtype`` are as they are stored, so that quantized weights are whole numbers. ``read`` decodes them; None where they are packed
    in a way that is not read here."""

    key: str
    name: str
    shape: tuple[int | None, ...]
    dtype: str
    bytes: int
    read: Callable[[], Array | None] = field(compare=False, repr=False)


@dataclass(frozen=True)
class OperatorView:
    """``native`` is the file's own word for ``kind``. ``inputs`` are the values that it reads and that are no constants, in order, by
    name; ``outputs`` those that it gives.

    ``sizes``: ``axes`` that are reduced or normalized, counted from the first; of a softmax its axis; ``begin`` of a slice by axis;
    ``kernel`` and ``stride`` of windows, ``pad`` before and behind each axis in pairs. ``numbers``: ``epsilon`` of a normalization;
    ``constant``: of a sum, or the larger, with one number. ``words``: ``ceil mode`` of windows, ``padding counts`` in a mean,
    ``depthwise`` of a convolution. ``attributes`` are what the file writes beside an operator, in words, as far as they are read;
    ``constants`` the stored numbers that it reads, in order.
    """

    kind: Kind
    native: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)
    constants: tuple[ConstantView, ...] = ()

    @property
    def value(self) -> str:
        """What it gives first, by which it is told."""
        return self.outputs[0] if self.outputs else ""


@dataclass(frozen=True)
class FileView:
    """``operators`` in the order they run, without those that only hold or unpack constants; ``values`` that are computed or come
    in, by name; ``outputs`` are what comes out."""

    operators: tuple[OperatorView, ...]
    values: Mapping[str, ValueView]
    outputs: tuple[str, ...]


class ReadsView(Protocol):
    """A module ``view`` of a format's folder."""

    def read_view(self, path: Path) -> FileView:
        """:class:`InputError` if the file cannot be read."""
