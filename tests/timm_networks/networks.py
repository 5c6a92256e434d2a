"""Networks of timm by name, with gains, biases and statistics drawn by seed: ``timm_networks.networks:mobileone_s0``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .stand_in import put_in_place

__all__ = ["NETWORKS", "Network", "build", "make"]

SEED = 0
_IMAGES = 16  # of noise, which the statistics are of


@dataclass(frozen=True)
class Network:
    """``name`` is timm's; ``size`` are the image's sides in pixels. What a variance is off by is drawn from ``variance``:
    where most are too small, activations grow from layer to layer, and EfficientViT's attention, which adds up products
    without a softmax, reaches numbers that float16 does not have (``overflows``)."""

    name: str
    size: int = 64
    variance: tuple[float, float] = (0.8, 1.25)
    overflows: bool = False


NETWORKS = {
    "mobileone_s0": Network("mobileone_s0"),
    "efficientnet_b0": Network("efficientnet_b0"),
    "mobilenetv3_large": Network("mobilenetv3_large_100"),
    "efficientvit_b1": Network("efficientvit_b1"),
    "efficientvit_b1_overflowing": Network("efficientvit_b1", variance=(0.5, 1.2), overflows=True),
    "vit_tiny": Network("vit_tiny_patch16_224"),
    "repvit_m1": Network("repvit_m1"),
    "convnext_atto": Network("convnext_atto"),
    "mobilevit_s": Network("mobilevit_s"),
    "fastvit_t8": Network("fastvit_t8"),
    "davit_tiny": Network("davit_tiny"),
}


def make(name: str, seed: int = SEED) -> nn.Module:
    """The network of that name in the table above."""
    return build(NETWORKS[name], seed)


@torch.no_grad()
def build(network: Network, seed: int = SEED) -> nn.Module:
    """The network in evaluation mode. Weights are timm's initial ones; what training would have moved away from the
    identity is drawn, and statistics are those of noise, nearly."""
    put_in_place()
    import timm

    size = {"img_size": network.size} if network.name.startswith("vit_") else {}
    torch.manual_seed(seed)
    model: nn.Module = timm.create_model(network.name, pretrained=False, num_classes=100, **size).eval()
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)):
            _normal(module.weight, 1, 0.1, generator)
            _normal(module.bias, 0, 0.05, generator)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            _normal(module.bias, 0, 0.05, generator)
    for path, scale in model.named_parameters():
        if path.endswith("gamma"):  # what a branch is multiplied with: 1e-5 at first, in some
            scale.uniform_(0.2, 1, generator=generator)
    _draw_statistics(model, network, generator)
    return model.eval()


def _normal(parameter: Tensor | None, mean: float, deviation: float, generator: torch.Generator) -> None:
    if parameter is not None:
        parameter.normal_(mean, deviation, generator=generator)


def _draw_statistics(model: nn.Module, network: Network, generator: torch.Generator) -> None:
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the statistics are the next batch's
        norm.train()
    if norms:
        model(torch.randn(_IMAGES, 3, network.size, network.size, generator=generator))
    for norm in norms:
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None and variance is not None
        factor = torch.empty_like(variance).uniform_(*network.variance, generator=generator)
        variance.mul_(factor)
        mean.add_(0.05 * variance.sqrt() * torch.randn(mean.shape, generator=generator))


def __getattr__(name: str) -> Callable[[], nn.Module]:
    if name not in NETWORKS:
        raise AttributeError(f"{__name__} has no network {name}")
    return lambda: make(name)
