"""The passes that every format gains from, and those of files that take pixels."""

from __future__ import annotations

from . import Setting
from ._pass import Pass
from .cancel_transposes import CancelTransposes
from .fold_batch_norm import FoldBatchNorm
from .fold_constant_scale import FoldConstantScale
from .fold_constants import FoldConstants
from .fold_input_scale import FoldInputScale
from .fold_normalization_affine import FoldNormalizationAffine
from .merge_layers import MergeLayers
from .normalize_inside import NormalizeInside
from .recognize_activations import RecognizeActivations
from .remove_identities import RemoveIdentities
from .split_by_chunk import SplitByChunk

__all__ = ["common_passes", "pixel_passes"]


# What a row's comment says it measured is from docs/passes.md: CloFormer-XXS without that pass, one thread.
def common_passes(*, chunks_of_last_axis: bool = True) -> list[Pass]:
    """What every format gains from, in the order that lets each pass see what the one before made."""
    return [
        RemoveIdentities(),  # so that the patterns below are not interrupted by copies
        FoldConstants(),  # a table of positions, a weight over its norm: as a constant, others can be folded into it
        FoldBatchNorm(),  # both exporters would fold it as well: the same graph without
        MergeLayers(),  # branches of one input; finds nothing in CloFormer
        SplitByChunk(
            chunks_of_last_axis
        ),  # ONNX 4.7 % slower without, and 108 operators more; Core ML 84 more
        CancelTransposes(),  # k is transposed when it is taken apart, and again for the product
        FoldNormalizationAffine(),  # ONNX 3.2 % slower without; 50 operators more, Core ML 25
        FoldConstantScale(),  # 24 operators more without, Core ML 36; no time that stands out
        RecognizeActivations(),  # finds nothing in CloFormer, whose exporters know its activations
    ]


def pixel_passes(setting: Setting, *, reparameterize: bool = True) -> list[Pass]:
    """For a file that normalizes its images itself; none for another."""
    if not setting.preprocessing:
        return []
    normalize = NormalizeInside(setting.signature.inputs, setting.preprocessing)
    return [normalize, FoldInputScale()] if reparameterize else [normalize]
