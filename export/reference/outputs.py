"""What the untouched PyTorch model gives, as PyTorch runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..formats.pytorch import ModuleRunner
from ..formats.runners import Array
from ..source.signature import Signature

if TYPE_CHECKING:
    from torch import nn

__all__ = ["run_model"]


def run_model(model: nn.Module, signature: Signature, inputs: Mapping[str, Array]) -> list[Array]:
    """The module's outputs, flat, in its own types."""
    with ModuleRunner(model, signature) as runner:
        return list(runner.run(inputs).values())
