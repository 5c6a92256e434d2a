"""Running a user's module once to learn something of it, and nothing else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["Attempt", "attempt"]


@dataclass(frozen=True)
class Attempt:
    """What a module returned, or what it raised."""

    returned: object
    error: BaseException | None = None

    @property
    def succeeded(self) -> bool:
        return self.error is None


@torch.no_grad()
def attempt(
    model: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object] | None = None
) -> Attempt:
    """Call ``model``. Buffers that it writes to, such as counters, are as they were afterwards."""
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what it prints is no part of a command's output
            return Attempt(model(*args, **(kwargs or {})))
    except (Exception, SystemExit) as error:  # a user's module raises what it likes
        return Attempt(None, error)
    finally:
        for name, buffer in model.named_buffers():
            if name in before and before[name].shape == buffer.shape:
                buffer.copy_(before[name])
