"""What the untouched PyTorch model gives, as PyTorch runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ..formats.pytorch import ModuleRunner
from ..formats.runners import Array
from ..source.signature import Signature

if TYPE_CHECKING:
    from torch import nn

__all__ = ["run_model"]


def run_model(model: nn.Module, signature: Signature, inputs: Mapping[str, Array]) -> list[Array]:
    """The module's outputs, flat, in its own types."""
    with _operator_by_operator(), ModuleRunner(model, signature) as runner:
        return list(runner.run(inputs).values())


@contextmanager
def _operator_by_operator() -> Iterator[None]:
    """Without torch's fused kernels for whole modules of attention: they round otherwise than the operators that the module
    is written of, which a trace has."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
