"""Weights in half precision, or double: exported as float32, which is what artifacts are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from .attempt import attempt, example_inputs
from .signature import TensorSpec

__all__ = ["as_float32"]


def as_float32(model: nn.Module, inputs: Sequence[TensorSpec]) -> str | None:
    """Turn the weights of ``model`` into float32, in place, if they are of another type.

    Returns what was done, for people; None if nothing was. A module that takes ``inputs`` as it is, and not with such weights,
    narrows by itself, and is left so.
    """
    kinds = {name: tensor.dtype for name, tensor in _numbers(model)}
    if set(kinds.values()) <= {torch.float32}:
        return None
    model.float()
    if not attempt(model, example_inputs(inputs)).succeeded:
        _restore(model, kinds)
        if attempt(model, example_inputs(inputs)).succeeded:
            return None
        model.float()
    names = " and ".join(sorted({str(kind).removeprefix("torch.") for kind in kinds.values()}))
    return f"the weights are {names}, and were exported as float32"


def _numbers(model: nn.Module) -> list[tuple[str, Tensor]]:
    named = chain(model.named_parameters(), model.named_buffers())
    return [(name, tensor) for name, tensor in named if tensor.is_floating_point()]


def _restore(model: nn.Module, kinds: Mapping[str, torch.dtype]) -> None:
    """The types that the weights had: what was widened from them is rounded to what it was."""
    for name, tensor in _numbers(model):
        tensor.data = tensor.data.to(kinds[name])
