"""CloFormer as a backbone: the maps of its four stages, for heads that need more than classes."""

from __future__ import annotations

from torch import Tensor, nn

from .model import MAPS_MULTIPLE, CloBlock, CloStage, Trunk, check_image_size
from .variants import Variant, Widths

__all__ = ["STRIDES", "CloFormerFeatures"]

STRIDES = (4, 8, 16, 32)  # pixels of the image for one of each stage's map


class CloFormerFeatures(Trunk):
    """The network of a :class:`Variant` without its classifier: images (B, in_chans, H, W) to four maps
    (B, C, H / stride, W / stride), with the widths of the variant and the strides 4, 8, 16, 32.

    Each map is taken where its stage has its full width and size for the last time: before the second half of the last
    block, which leads to the next stage, and of the last stage at its end. Each has a norm of its own; the last one's is the
    classifier's. H and W are multiples of 32; :class:`ValueError` otherwise. ``newly_initialized`` are the keys that a checkpoint
    did not have.
    """

    newly_initialized: tuple[str, ...] = ()

    def __init__(
        self,
        variant: Variant,
        *,
        in_chans: int = 3,
        drop_path_rate: float | None = None,
        widths: Widths | None = None,
    ) -> None:
        super().__init__(variant, in_chans, drop_path_rate, widths)
        self.norms = nn.ModuleList(nn.GroupNorm(1, dim) for dim in variant.embed_dims)

    @property
    def channels(self) -> tuple[int, ...]:
        """The widths of the maps."""
        return self.variant.embed_dims

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        check_image_size(x.shape[-2], x.shape[-1], MAPS_MULTIPLE)
        x = self.patch_embed(x)
        maps = []
        last = len(self.layers) - 1
        for place, (stage, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            assert isinstance(stage, CloStage)
            *before, end = stage.blocks
            for block in before:
                x = block(x)
            assert isinstance(end, CloBlock)
            attended = end.attend(x)
            x = end.lead_on(attended)
            maps.append(norm(x if place == last else attended))
        return tuple(maps)
