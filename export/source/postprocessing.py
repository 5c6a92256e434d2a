"""What turns a model's outputs into an answer."""

from __future__ import annotations

import numpy as np

from ..formats.runners import Array


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis."""
    shifted: Array = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities: Array = shifted / shifted.sum(-1, keepdims=True)
    return probabilities
