"""Operators that compute each number of their result from the numbers in its place alone."""

from __future__ import annotations

import torch

__all__ = ["is_pointwise"]

aten = torch.ops.aten
# Those that torch, or an older one, does not mark so.
_UNMARKED = {aten.hardswish.default, aten.leaky_relu.default, aten.log_sigmoid.default}


def is_pointwise(target: object) -> bool:
    return target in _UNMARKED or torch.Tag.pointwise in getattr(target, "tags", ())
