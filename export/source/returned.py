"""How many tensors a model returns, before it is traced."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils import _pytree as pytree

from .signature import TensorSpec
from .trace import example_inputs

__all__ = ["count_returned"]


def count_returned(model: nn.Module, inputs: Sequence[TensorSpec]) -> int:
    """The number of its outputs, as a trace will have them; 1 of a model that does not run, of which tracing says why."""
    try:
        with torch.no_grad():
            returned = model(*example_inputs(inputs))
    except Exception:  # a user's module raises what it likes
        return 1
    return sum(leaf is not None for leaf in pytree.tree_leaves(returned))
