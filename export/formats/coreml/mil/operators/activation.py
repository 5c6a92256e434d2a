"""Activations (``activation.py``)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cloformer.errors import InputError

from .._operator import operator
from ._shapes import along_axis


@operator("relu", specification="iOS15/activation.py: relu")
def relu(x: Tensor) -> Tensor:
    return x.clamp(min=0)


@operator("relu6", specification="iOS15/activation.py: relu6")
def relu6(x: Tensor) -> Tensor:
    return x.clamp(0, 6)


@operator("sigmoid", specification="iOS15/activation.py: sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


@operator("silu", specification="iOS15/activation.py: silu")
def silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


@operator("softplus", specification="iOS15/activation.py: softplus")
def softplus(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))


@operator("softsign", specification="iOS15/activation.py: softsign")
def softsign(x: Tensor) -> Tensor:
    return x / (1 + x.abs())


@operator("softmax", specification="iOS15/activation.py: softmax")
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    return torch.softmax(x, axis)


@operator("gelu", specification="iOS15/activation.py: gelu")
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode == "EXACT":
        return F.gelu(x)
    if mode == "TANH_APPROXIMATION":
        return F.gelu(x, approximate="tanh")
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    raise InputError(f"there is no gelu {mode!r}")


@operator("elu", specification="iOS15, iOS17/activation.py: elu")
def elu(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x > 0, x, alpha * torch.expm1(x))


@operator("leaky_relu", specification="iOS15, iOS17/activation.py: leaky_relu")
def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x >= 0, x, alpha * x)


@operator("thresholded_relu", specification="iOS15, iOS17/activation.py: thresholded_relu")
def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x >= alpha, x, 0.0)


@operator("clamped_relu", specification="iOS15, iOS17/activation.py: clamped_relu")
def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    return torch.where(x >= 0, x, alpha * x).clamp(max=beta)


@operator("linear_activation", specification="iOS15, iOS17/activation.py: linear_activation")
def linear_activation(x: Tensor, alpha: float, beta: float) -> Tensor:
    return alpha * x + beta


@operator("scaled_tanh", specification="iOS15, iOS17/activation.py: scaled_tanh")
def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    return alpha * torch.tanh(beta * x)


@operator("sigmoid_hard", specification="iOS15, iOS17/activation.py: sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    return (alpha * x + beta).clamp(0, 1)


@operator("prelu", specification="iOS15, iOS17/activation.py: prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """A slope for each channel, axis 1."""
    return torch.where(x >= 0, x, along_axis(x, alpha) * x)


@operator("softplus_parametric", specification="iOS15, iOS17/activation.py: softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """alpha_c log(1 + exp(beta_c x)), a pair for each channel, axis 1."""
    scaled = along_axis(x, beta) * x
    return along_axis(x, alpha) * torch.logaddexp(scaled, torch.zeros_like(scaled))
