"""What the untouched PyTorch model gives, as PyTorch runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.overrides import TorchFunctionMode

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
    """Without torch's fused kernels for whole modules of attention, and its products for distances: they round otherwise than
    the operators that the module is written of, which a trace has."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with _DistancesByDifferences():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class _DistancesByDifferences(TorchFunctionMode):
    """``cdist`` as it is for few rows: of many torch takes products, in which near ones cancel."""

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        given = dict(kwargs or {})
        if func is torch.cdist and len(args) < 4:
            given["compute_mode"] = "donot_use_mm_for_euclid_dist"
        return func(*args, **given)
