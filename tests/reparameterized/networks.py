"""Networks of timm as they are trained, and with its own fusion: ``reparameterized.networks:repvgg_a0``, ``..._fused``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from timm_networks.networks import Network, build
from torch import nn

__all__ = ["BRANCHED", "NETWORKS", "PLAIN", "fused"]

BRANCHED = {
    "mobileone_s0": Network("mobileone_s0"),
    "repvgg_a0": Network("repvgg_a0"),
    "repvit_m1": Network("repvit_m1"),
    "fastvit_t8": Network("fastvit_t8"),
}
PLAIN = {
    "mobilenetv3_large": Network("mobilenetv3_large_100"),
    "efficientnet_lite0": Network("efficientnet_lite0"),
    "convnext_atto": Network("convnext_atto"),
    "swin_tiny": Network("swin_tiny_patch4_window7_224", 224),
}
NETWORKS = BRANCHED | PLAIN
_FUSED = "_fused"


def fused(name: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The network as timm merges it, with sums of its weights in ``dtype``."""
    model = build(NETWORKS[name]).to(dtype)
    from timm.utils import reparameterize_model

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # of the layers that timm makes
    try:
        merged: nn.Module = reparameterize_model(model).eval()
    finally:
        torch.set_default_dtype(before)
    return merged


def __getattr__(name: str) -> Callable[[], nn.Module]:
    trained = name.removesuffix(_FUSED)
    if trained not in NETWORKS:
        raise AttributeError(f"{__name__} has no network {name}")
    return (lambda: build(NETWORKS[name])) if name == trained else (lambda: fused(trained))
