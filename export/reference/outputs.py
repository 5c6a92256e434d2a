"""What the untouched PyTorch model gives, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from ..formats.pytorch import ModuleRunner
from ..formats.runners import Array
from ..source.signature import Signature

if TYPE_CHECKING:
    from torch import nn


def run_model(
    model: nn.Module, signature: Signature, inputs: Mapping[str, Array], dtype: torch.dtype = torch.float64
) -> list[Array]:
    """The module's outputs, flat, computed in ``dtype``.

    Raises :class:`RuntimeError` if the module itself insists on another type.
    """
    return _run_all(model, signature, [inputs], dtype)[0]


def run_reference(
    model: nn.Module, signature: Signature, cases: Sequence[Mapping[str, Array]]
) -> tuple[list[list[Array]], str]:
    """The outputs for each case and the type they were computed in: float64, or float32 if the module insists
    on it."""
    try:
        return _run_all(model, signature, cases, torch.float64), "float64"
    except RuntimeError:
        return _run_all(model, signature, cases, torch.float32), "float32"


def _run_all(
    model: nn.Module, signature: Signature, cases: Sequence[Mapping[str, Array]], dtype: torch.dtype
) -> list[list[Array]]:
    """All cases on one copy of the module."""
    with ModuleRunner(model, signature, dtype) as runner:
        return [list(runner.run(inputs).values()) for inputs in cases]
