"""AdamW as the recipe wants it, and the average of the weights that it leaves behind."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["averaged", "make_optimizer"]

Tensors: TypeAlias = "tuple[Tensor, ...] | list[Tensor]"


def make_optimizer(model: nn.Module, learning_rate: float, decay: float) -> torch.optim.AdamW:
    """Matrices and kernels decay, norms and biases do not.

    Its averages are there from the beginning, and not from the first step on, so that every saved state is equally
    large.
    """
    parameters = list(model.parameters())
    groups: list[dict[str, object]] = [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate)
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": torch.tensor(0.0),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """Weights that follow ``model``'s at a distance, close in the first steps; batch norm's statistics are its own."""

    def follow(averages: Tensors, values: Tensors, count: Tensor | int) -> None:
        seen = float(count)
        torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + seen) / (10 + seen)))

    return AveragedModel(model, multi_avg_fn=follow)
