"""A model that nothing is learned of while it is looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["not_learned"]


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
