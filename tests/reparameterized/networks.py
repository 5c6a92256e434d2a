"""Networks of timm as they are trained, and with its own fusion: ``reparameterized.networks:repvgg_a0``, ``..._fused``."""

from __future__ import annotations

from collections.abc import Callable

from timm_networks.networks import Network, build
from torch import nn

__all__ = ["BRANCHED", "NETWORKS", "PLAIN"]

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


def fused(name: str) -> nn.Module:
    """The network as timm merges it."""
    model = build(NETWORKS[name])
    from timm.utils import reparameterize_model

    merged: nn.Module = reparameterize_model(model).eval()
    return merged


def __getattr__(name: str) -> Callable[[], nn.Module]:
    trained = name.removesuffix(_FUSED)
    if trained not in NETWORKS:
        raise AttributeError(f"{__name__} has no network {name}")
    return (lambda: build(NETWORKS[name])) if name == trained else (lambda: fused(trained))
