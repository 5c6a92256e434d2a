"""Operators by others, in PyTorch's own words: a function each, of the operator's arguments by name.

They are traced on tensors without data, so that Python decides by sizes and numbers alone. A function that gives
``NotImplemented`` leaves the operator as it is.
"""

from . import (
    arithmetic,
    bits,
    filled,
    layers,
    losses,
    matrices,
    order,
    places,
    quantization,
    reductions,
    scattering,
    unbatched,
)  # fmt: skip
from ._table import DEFINITIONS, NOT_ON_ANDROID

__all__ = [
    "DEFINITIONS", "NOT_ON_ANDROID", "arithmetic", "bits", "filled", "layers", "losses", "matrices", "order", "places", "quantization", "reductions",
    "scattering", "unbatched",
]  # fmt: skip
