"""Random numbers (``random.py``): with the same seed always the same, and never those of Core ML."""

from __future__ import annotations

import torch
from torch import Tensor

from cloformer.errors import UnsupportedError

from .._operator import Ints, operator
from ..types import element_count


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _uniform(shape: list[int], seed: int) -> Tensor:
    """In [0, 1)."""
    element_count(tuple(shape), "the result")
    return torch.rand(shape, generator=_generator(seed))


@operator("random_bernoulli", specification="iOS15/random.py: random_bernoulli")
def random_bernoulli(shape: Ints, prob: float = 0.5, seed: int = -1) -> Tensor:
    return (_uniform(shape, seed) < prob).float()


@operator("random_uniform", specification="iOS15/random.py: random_uniform")
def random_uniform(shape: Ints, low: float = 0.0, high: float = 1.0, seed: int = -1) -> Tensor:
    return low + (high - low) * _uniform(shape, seed)


@operator("random_normal", specification="iOS15/random.py: random_normal")
def random_normal(shape: Ints, mean: float = 0.0, stddev: float = 1.0, seed: int = -1) -> Tensor:
    element_count(tuple(shape), "the result")
    return mean + stddev * torch.randn(shape, generator=_generator(seed))


@operator("random_categorical", specification="iOS15/random.py: random_categorical")
def random_categorical(x: Tensor, mode: str = "logits", size: int = 1, seed: int = -1) -> Tensor:
    """So many classes, drawn independently, for each row of ``x``."""
    if mode not in ("logits", "probs"):
        raise UnsupportedError(f"classes drawn by {mode!r} are not known")
    element_count((*x.shape[:-1], size), "the result")
    weights = (torch.softmax(x, -1) if mode == "logits" else x).reshape(-1, x.shape[-1])
    drawn = torch.multinomial(weights, size, replacement=True, generator=_generator(seed))
    return drawn.reshape(*x.shape[:-1], size)
