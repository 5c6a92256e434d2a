"""Losses that networks return beside what they predict."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ._table import defines

aten = torch.ops.aten
_MEAN, _SUM = 1, 2  # torch's numbers for reductions; 0 is none


@defines(aten.binary_cross_entropy_with_logits.default)
def binary_cross_entropy_with_logits(
    self: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None, reduction: int
) -> Tensor:
    """w ((1 - y) x + (1 + (p - 1) y) softplus(-x)): no logarithm of a probability that is rounded to zero"""
    of_true = 1 if pos_weight is None else (pos_weight - 1) * target + 1
    loss = (1 - target) * self + of_true * F.softplus(-self)
    loss = loss if weight is None else loss * weight
    return loss.mean() if reduction == _MEAN else loss.sum() if reduction == _SUM else loss


@defines(aten.cross_entropy_loss.default)
def cross_entropy_loss(
    self: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: int,
    ignore_index: int,
    label_smoothing: float,
) -> Any:
    """-log softmax(x)[y]"""
    if label_smoothing or target.is_floating_point():
        return NotImplemented
    return nll_loss_nd(F.log_softmax(self, _classes(self)), target, weight, reduction, ignore_index)


@defines(aten.nll_loss_nd.default, aten.nll_loss2d.default, aten.nll_loss.default)
def nll_loss_nd(
    self: Tensor, target: Tensor, weight: Tensor | None, reduction: int, ignore_index: int
) -> Tensor:
    """-w[y] x[y], or 0 where y is ``ignore_index``; the mean is over the weights of the others"""
    axis, counts = _classes(self), target != ignore_index
    named = torch.where(counts, target, torch.zeros_like(target))
    taken = -self.gather(axis, named.unsqueeze(axis)).squeeze(axis)
    weights = torch.ones_like(taken) if weight is None else weight[named]
    none = torch.zeros_like(taken)
    loss, weights = torch.where(counts, weights * taken, none), torch.where(counts, weights, none)
    return loss.sum() / weights.sum() if reduction == _MEAN else loss.sum() if reduction == _SUM else loss


def _classes(x: Tensor) -> int:
    """The axis of the classes."""
    return min(x.ndim - 1, 1)
