"""What turns a model's outputs into an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .arrays import Array

__all__ = ["softmax"]


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis."""
    import numpy as np

    shifted: Array = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities: Array = shifted / shifted.sum(-1, keepdims=True)
    return probabilities
