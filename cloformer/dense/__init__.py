"""Networks that give more than classes: a backbone's four maps, and a head that reads them.

:data:`cloformer.variants.HEADS` is the table of heads; each is a file here.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from cloformer.features import CloFormerFeatures

from .boxes import RATIOS, SCALES
from .fpn import SemanticFPN
from .retinanet import RetinaNet

__all__ = ["DenseNetwork", "RetinaNet", "SemanticFPN", "classes_of"]

_MODULES: dict[str, type[SemanticFPN | RetinaNet]] = {"fpn": SemanticFPN, "retinanet": RetinaNet}
# The bias that has a number for each class, and how many it has.
_OF_CLASSES = {
    "fpn": ("head.predictor.bias", 1),
    "retinanet": ("head.classes.predictor.bias", len(RATIOS) * len(SCALES)),
}


class DenseNetwork(nn.Module):
    """``backbone`` and then the head of that name: images (B, in_chans, H, W), with H and W multiples of 32, to what the head gives.
    ``newly_initialized`` are the keys that a checkpoint did not have."""

    newly_initialized: tuple[str, ...] = ()

    def __init__(self, backbone: CloFormerFeatures, head: str, num_classes: int) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes {num_classes} must be at least 1")
        super().__init__()
        self.variant = backbone.variant
        self.backbone = backbone
        self.head = _MODULES[head](backbone.channels, num_classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        out: Tensor | tuple[Tensor, ...] = self.head(self.backbone(x))
        return out


def classes_of(head: str, tensors: Mapping[str, Tensor]) -> int | None:
    """How many classes a dense network's tensors are for; None where they are of none with this head."""
    key, each = _OF_CLASSES[head]
    bias = tensors.get(key)
    return None if bias is None or not bias.numel() or bias.numel() % each else bias.numel() // each
