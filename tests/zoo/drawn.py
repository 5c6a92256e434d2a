"""Weights as training leaves them, nearly: what PyTorch starts as the identity is drawn, and statistics are those of noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from cloformer.export.source.signature import TensorSpec

__all__ = ["drawn"]

_TINY = 0.01  # below, a gain was started so small that its branch is as good as absent


@torch.no_grad()
def drawn(
    network: nn.Module,
    specs: Sequence[TensorSpec],
    seed: int = 0,
    *,
    images: int = 1,
    variance: tuple[float, float] = (0.8, 1.25),
) -> nn.Module:
    """``network`` in evaluation mode. Parameters that are one number everywhere are drawn around it; the statistics of a
    normalization are those of what ``images`` of noise give it, a variance times what is drawn from ``variance``."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.is_floating_point() and parameter.numel():
            _move(parameter, generator)
    hooks = [
        module.register_forward_pre_hook(lambda module, given: _draw(module, given[0], variance, generator))
        for module in network.eval().modules()
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_var is not None
    ]
    if hooks:
        network(*(_noise(_batch(spec, images), generator) for spec in specs))
    for hook in hooks:
        hook.remove()
    return network.eval()


def _move(parameter: Tensor, generator: torch.Generator) -> None:
    first = float(parameter.flatten()[0])
    if not bool((parameter == first).all()):
        return
    if first == 0:
        parameter.normal_(0, 0.05, generator=generator)
    elif abs(first) < _TINY:
        parameter.uniform_(0.2, 1, generator=generator)
    else:
        parameter.normal_(first, 0.1 * abs(first), generator=generator)


def _batch(spec: TensorSpec, images: int) -> TensorSpec:
    return spec if images == 1 else replace(spec, shape=(images, *spec.shape[1:]))


def _noise(spec: TensorSpec, generator: torch.Generator) -> Tensor:
    if spec.dtype == "bool":
        return torch.rand(spec.shape, generator=generator) < 0.75
    if spec.dtype.startswith("int"):
        low, high = spec.values or (0, 1)
        return torch.randint(low, high + 1, spec.shape, generator=generator, dtype=getattr(torch, spec.dtype))
    return torch.randn(spec.shape, generator=generator)


def _draw(module: nn.Module, x: Tensor, factor: tuple[float, float], generator: torch.Generator) -> None:
    mean, variance = module.running_mean, module.running_var
    assert isinstance(mean, Tensor) and isinstance(variance, Tensor)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    drawn_factor = torch.empty_like(variance).uniform_(*factor, generator=generator)
    several = x.numel() > x.shape[1]  # of one number there is no variance
    variance.copy_((x.var(axes) if several else torch.ones_like(variance)) * drawn_factor + 1e-4)
    shift = 0.05 * variance.sqrt() * torch.randn(mean.shape, generator=generator)
    mean.copy_((x.mean(axes) if several else torch.zeros_like(mean)) + shift)
