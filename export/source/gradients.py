"""A model that nothing is learned of while it is looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

__all__ = ["exported", "not_learned"]


@contextlib.contextmanager
def not_learned(model: nn.Module) -> Iterator[None]:
    """No parameter asks for a gradient."""
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in learned:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad = True


def exported(model: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """The program of ``model``: without gradients where torch has none for an operator, such as fake quantization by a scale
    that is learned, or a batch norm whose statistics are computed; elsewhere with them, or encoder layers would be traced as
    one fused kernel."""
    import torch

    try:
        return torch.export.export(model, inputs, strict=False)
    except RuntimeError as error:
        if "requires_grad" not in str(error):
            raise
    with torch.no_grad(), not_learned(model):
        return torch.export.export(model, inputs, strict=False)
