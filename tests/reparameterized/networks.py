"""Networks of timm as they are trained, and with its own fusion: ``reparameterized.networks:repvgg_a0``, ``..._fused``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from zoo.networks import drawn_row
from zoo.timm_rows import TimmRow

__all__ = ["BRANCHED", "NETWORKS", "PLAIN", "fused"]

# Statistics are drawn at 64 pixels, but of the one that takes no other size than its own.
BRANCHED = {name: TimmRow(name, size=64) for name in ("mobileone_s0", "repvgg_a0", "repvit_m1", "fastvit_t8")}
PLAIN = {
    "mobilenetv3_large": TimmRow("mobilenetv3_large_100", size=64),
    "efficientnet_lite0": TimmRow("efficientnet_lite0", size=64),
    "convnext_atto": TimmRow("convnext_atto", size=64),
    "swin_tiny": TimmRow("swin_tiny_patch4_window7_224", size=224),
}
NETWORKS = BRANCHED | PLAIN
_FUSED = "_fused"


def fused(name: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The network as timm merges it, with sums of its weights in ``dtype``."""
    model = drawn_row(NETWORKS[name]).to(dtype)
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
    return (lambda: drawn_row(NETWORKS[name])) if name == trained else (lambda: fused(trained))
