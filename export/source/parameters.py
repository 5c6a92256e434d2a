"""What a module's ``forward`` takes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from torch import nn

__all__ = ["is_callable_with", "needed", "parameters"]


def parameters(model: nn.Module) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):  # of what is written in C
        return []


def needed(given: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
    """Those that something must be given for."""
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each for each in given if each.default is each.empty and each.kind not in starred]


def is_callable_with(model: nn.Module, count: int) -> bool:
    """Whether ``forward`` takes so many arguments, one after the other."""
    try:
        inspect.signature(model.forward).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # of what is written in C
        return True
    return True
