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
    """-log softmax(x)[y], or the mean of all classes' by the probabilities y; smoothed, e / C of every class beside"""
    axis, classes = _classes(self), self.shape[_classes(self)]
    logarithms, smooth = F.log_softmax(self, axis), label_smoothing
    of_class = (
        None if weight is None else weight.reshape([-1 if place == axis else 1 for place in range(self.ndim)])
    )
    weighted = logarithms if of_class is None else logarithms * of_class
    if target.is_floating_point():
        shares = target * (1 - smooth) + smooth / classes if smooth else target
        loss = -(weighted * shares).sum(axis)
        return loss.sum() / loss.numel() if reduction == _MEAN else loss.sum() if reduction == _SUM else loss
    loss = nll_loss_nd(logarithms, target, weight, reduction, ignore_index)
    if not smooth:
        return loss
    counts = target != ignore_index
    every = torch.where(counts, -weighted.sum(axis), torch.zeros_like(weighted.sum(axis)))
    if reduction == _MEAN:
        named = torch.where(counts, target, torch.zeros_like(target))
        weights = counts.to(self.dtype) if weight is None else torch.where(counts, weight[named], 0 * every)
        every = every.mean() / weights.mean()  # no sum of many, which leaves float16
    elif reduction == _SUM:
        every = every.sum()
    return (1 - smooth) * loss + smooth / classes * every


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
    return loss.mean() / weights.mean() if reduction == _MEAN else loss.sum() if reduction == _SUM else loss


def _classes(x: Tensor) -> int:
    """The axis of the classes."""
    return min(x.ndim - 1, 1)
