"""Normalizations (``normalization.py``).

In narrow arithmetic means and mean squares have float16 accumulators, as if the kernel kept nothing wider;
what Apple's kernels do is not published.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .._operator import Ints, operator
from ..types import element_count
from ._narrow import half, narrow_mean, narrow_sum
from ._shapes import along_axis

Mean = Callable[[Tensor, list[int]], Tensor]


def _mean(x: Tensor, axes: list[int]) -> Tensor:
    return x.mean(axes, keepdim=True)


def _affine(x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    x = x if gamma is None else x * gamma
    return x if beta is None else x + beta


@operator("batch_norm", specification="iOS15, iOS17/normalization.py: batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, a number of each for every channel, axis 1."""
    scale = torch.rsqrt(variance + epsilon)
    normal = (x - along_axis(x, mean)) * along_axis(x, scale)
    return _affine(
        normal,
        None if gamma is None else along_axis(x, gamma),
        None if beta is None else along_axis(x, beta),
    )


def _instance_norm(
    mean: Mean, x: Tensor, gamma: Tensor | None, beta: Tensor | None, epsilon: float
) -> Tensor:
    axes = list(range(2, x.ndim))
    centred = x - mean(x, axes)
    normal = centred * torch.rsqrt(mean(centred * centred, axes) + epsilon)
    return _affine(
        normal,
        None if gamma is None else along_axis(x, gamma),
        None if beta is None else along_axis(x, beta),
    )


def _narrow_instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5
) -> Tensor:
    return _instance_norm(narrow_mean, x, gamma, beta, epsilon)


@operator(
    "instance_norm",
    specification="iOS15, iOS17/normalization.py: instance_norm",
    narrow=_narrow_instance_norm,
)
def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) over the spatial axes of each image and channel."""
    return _instance_norm(_mean, x, gamma, beta, epsilon)


def _layer_norm(
    mean: Mean, x: Tensor, axes: Ints | None, gamma: Tensor | None, beta: Tensor | None, epsilon: float
) -> Tensor:
    over = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]
    centred = x - mean(x, over)
    normal = centred * torch.rsqrt(mean(centred * centred, over) + epsilon)
    shape = [size if axis in over else 1 for axis, size in enumerate(x.shape)]
    return _affine(
        normal, None if gamma is None else gamma.reshape(shape), None if beta is None else beta.reshape(shape)
    )


def _narrow_layer_norm(
    x: Tensor,
    axes: Ints | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    return _layer_norm(narrow_mean, x, axes, gamma, beta, epsilon)


@operator("layer_norm", specification="iOS15, iOS17/normalization.py: layer_norm", narrow=_narrow_layer_norm)
def layer_norm(
    x: Tensor,
    axes: Ints | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """gamma (x - E x) / sqrt(Var x + epsilon) + beta over ``axes``; gamma and beta have those axes' shape."""
    return _layer_norm(_mean, x, axes, gamma, beta, epsilon)


def _narrow_l2_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    return x * torch.rsqrt(narrow_sum(half(x * x), [-3, -2, -1]) + epsilon)


@operator("l2_norm", specification="iOS15, iOS17/normalization.py: l2_norm", narrow=_narrow_l2_norm)
def l2_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """x / sqrt(sum of squares + epsilon) over the last three axes."""
    return x * torch.rsqrt((x * x).sum([-3, -2, -1], keepdim=True) + epsilon)


@operator("local_response_norm", specification="iOS15, iOS17/normalization.py: local_response_norm")
def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha / size * sum of the squares of ``size`` neighbouring channels) ** beta."""
    element_count((x.shape[0], x.shape[1] + size, *x.shape[2:]), "the padded input")
    low = size // 2
    squares = F.pad(x * x, [0, 0] * (x.ndim - 2) + [low, size - 1 - low])
    window = squares.unfold(1, size, 1).sum(-1)
    return x / (k + alpha / size * window) ** beta
