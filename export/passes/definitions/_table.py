"""The table that the files here enter their functions in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

__all__ = ["DEFINITIONS", "NOT_ON_ANDROID", "defines"]

aten = torch.ops.aten

F = TypeVar("F", bound=Callable[..., Any])
DEFINITIONS: dict[object, Callable[..., Any]] = {}
# Those that neither LiteRT nor ExecuTorch has.
NOT_ON_ANDROID = (
    aten.cumprod.default,
    aten.col2im.default,
    aten.__lshift__.Scalar,
    aten.__rshift__.Scalar,
    aten.bitwise_left_shift.Tensor_Scalar,
    aten.bitwise_right_shift.Tensor_Scalar,
    aten.bucketize.Tensor,
    aten.searchsorted.Tensor,
    aten.fake_quantize_per_tensor_affine.default,
    aten.fake_quantize_per_tensor_affine.tensor_qparams,
    aten.fake_quantize_per_channel_affine.default,
)


def defines(*targets: object) -> Callable[[F], F]:
    """Enter a function in the table, for every operator among ``targets``."""

    def enter(function: F) -> F:
        DEFINITIONS.update(dict.fromkeys(targets, function))
        return function

    return enter
