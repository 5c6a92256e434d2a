"""Weights in half precision, or double: exported as float32, which is what artifacts are written from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import nn

from .attempt import attempt
from .signature import TensorSpec
from .trace import example_inputs

__all__ = ["as_float32"]


def as_float32(model: nn.Module, inputs: Sequence[TensorSpec]) -> str | None:
    """Turn the weights of ``model`` into float32, in place, if they are of another type and do not take ``inputs`` so.

    Returns what was done, for people; None if nothing was. A module that narrows by itself is left as it is.
    """
    tensors = chain(model.parameters(), model.buffers())
    kinds = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    if kinds <= {torch.float32}:
        return None
    if attempt(model, example_inputs(inputs)).succeeded:
        return None
    model.float()
    names = " and ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
    return f"the weights are {names}, and were exported as float32"
