"""Sums with a float16 accumulator: each product and each partial sum is rounded to float16, one after the other.

No hardware is known to be worse. Vectorized over what is summed *for*, never over what is summed.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["half", "narrow_matmul", "narrow_mean", "narrow_sum"]


def half(x: Tensor) -> Tensor:
    """``x`` rounded to float16, in its own type: beyond 65504 infinite."""
    return x.half().to(x.dtype)


def narrow_sum(x: Tensor, axes: list[int], *, keep_dims: bool = True) -> Tensor:
    """The sum over ``axes`` in row-major order."""
    axes = [axis % x.ndim for axis in axes]
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    flat = x.permute(rest + axes).reshape(*(x.shape[axis] for axis in rest), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        running = np.add.accumulate(flat.half().numpy(), axis=-1, dtype=np.float16)
    total = torch.from_numpy(running[..., -1].astype(np.float32)).to(x.dtype)
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return total.reshape(shape) if keep_dims else total.reshape([x.shape[axis] for axis in rest])


def narrow_mean(x: Tensor, axes: list[int], *, keep_dims: bool = True) -> Tensor:
    """The mean over ``axes``: the narrow sum, divided once."""
    count = math.prod(x.shape[axis] for axis in axes)
    return half(narrow_sum(x, axes, keep_dims=keep_dims) / count)


def narrow_matmul(x: Tensor, y: Tensor) -> Tensor:
    """x (.., M, K) times y (.., K, N)."""
    total = torch.zeros_like(x[..., :, :1] * y[..., :1, :])
    for k in range(x.shape[-1]):
        total = half(total + half(x[..., :, k : k + 1] * y[..., k : k + 1, :]))
    return total
