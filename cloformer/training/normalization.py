"""Batch norm over all processes' images, on any device: torch's own SyncBatchNorm refuses CPU tensors."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as together
from torch import Tensor, nn

__all__ = ["across_processes"]


def across_processes(model: nn.Module) -> None:
    """Let every batch norm of ``model`` take mean and variance of the images of all processes, in place.

    Sums of values and of squared distances from the common mean are added up over processes, with their gradients,
    so the result is that of one process with all the images. Every process must have equally many.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = _Together(module)  # type: ignore[method-assign, assignment]


class _Together:
    def __init__(self, layer: nn.BatchNorm2d) -> None:
        self.layer = layer

    def __call__(self, x_BCHW: Tensor) -> Tensor:
        layer = self.layer
        if not layer.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return nn.BatchNorm2d.forward(layer, x_BCHW)
        count = x_BCHW.numel() // x_BCHW.shape[1] * dist.get_world_size()
        axes = (0, 2, 3)
        mean_C: Tensor = together.all_reduce(x_BCHW.sum(axes)) / count  # type: ignore[no-untyped-call]
        apart_BCHW = x_BCHW - mean_C[:, None, None]
        variance_C: Tensor = together.all_reduce((apart_BCHW**2).sum(axes)) / count  # type: ignore[no-untyped-call]
        self._remember(mean_C.detach(), variance_C.detach() * count / (count - 1))
        y_BCHW = apart_BCHW * torch.rsqrt(variance_C + layer.eps)[:, None, None]
        if layer.affine:
            y_BCHW = y_BCHW * layer.weight[:, None, None] + layer.bias[:, None, None]
        return y_BCHW

    def _remember(self, mean_C: Tensor, variance_C: Tensor) -> None:
        layer = self.layer
        if layer.running_mean is None or layer.running_var is None:
            return
        assert layer.num_batches_tracked is not None
        layer.num_batches_tracked.add_(1)
        share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
        layer.running_mean.lerp_(mean_C, share)
        layer.running_var.lerp_(variance_C, share)
