"""Running a user's module without leaving a trace in it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .signature import TensorSpec

__all__ = ["Attempt", "attempt", "example_inputs", "untouched"]


@dataclass(frozen=True)
class Attempt:
    """What a module returned, or what it raised."""

    returned: object
    error: BaseException | None = None

    @property
    def succeeded(self) -> bool:
        return self.error is None


def example_inputs(specs: Sequence[TensorSpec]) -> tuple[Tensor, ...]:
    """Ones of the given shapes and types."""
    return tuple(torch.ones(spec.shape, dtype=getattr(torch, spec.dtype)) for spec in specs)


def attempt(
    model: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object] | None = None
) -> Attempt:
    """Call ``model`` once, to learn something of it."""
    try:
        with untouched(model):
            return Attempt(model(*args, **(kwargs or {})))
    except (Exception, SystemExit) as error:  # a user's module does what it likes
        return Attempt(None, error)


@contextlib.contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Around calls of ``model``: no gradients, buffers that it writes to, such as counters, are as they were afterwards, and
    what it prints is no part of a command's output."""
    owners = [(part, dict(part._buffers)) for part in model.modules() if part._buffers]
    for part, buffers in owners:
        part._buffers.update({name: None if each is None else each.clone() for name, each in buffers.items()})
    try:
        with torch.no_grad(), contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        for part, buffers in owners:
            part._buffers.update(buffers)
