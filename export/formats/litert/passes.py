"""The passes that a LiteRT model is made with, in order."""

from __future__ import annotations

from ...passes import Pass, Setting
from ...passes.add_layers_in_turn import AddLayersInTurn
from ...passes.common import common_passes, pixel_passes
from ...passes.crop_transposed import CropTransposed
from ...passes.drop_repeats import DropRepeats
from ...passes.fix_sizes import FixSizes
from ...passes.flatten_linear import FlattenLinear
from ...passes.fold_constants import FoldConstants
from ...passes.lower_nearest import LowerNearest
from ...passes.lower_poolings import LowerPoolings
from ...passes.lower_powers import LowerPowers
from ...passes.lower_resizing import LowerResizing
from ...passes.lower_sampling import LowerSampling
from ...passes.pad_max_pool import PadMaxPool
from ...passes.pool_group_norm import PoolGroupNorm
from ...passes.remove_identities import RemoveIdentities
from ...passes.separate_chunks import SeparateChunks
from ...passes.split_channels import SplitChannels
from ...passes.split_depthwise import SplitDepthwise
from ...passes.split_projection import SplitProjection
from ...passes.turn_heads import TurnHeads
from ...passes.widen_conv1d import WidenConv1d
from ...passes.write_out_attention import WriteOutAttention
from ...passes.write_out_for_litert import WriteOutForLitert
from ...passes.write_out_layer_norm import WriteOutLayerNorm

__all__ = ["passes", "plain_passes"]

# litert-torch takes it apart as well, and names the pieces after each other.
_ATTENTION = WriteOutAttention(everywhere=True)


def passes(setting: Setting) -> list[Pass]:
    """All of them."""
    return [
        FixSizes(setting.signature.inputs),
        _ATTENTION,  # first, so that its scale can be folded
        *common_passes(),
        *pixel_passes(setting),  # 1 / (255 std) goes into the stem
        # XNNPACK's own split costs less in float; in 8 bits both pieces would have one step
        *([SeparateChunks(), SplitProjection()] if setting.on_whole_numbers else []),
        AddLayersInTurn(),
        TurnHeads(),  # the map lies with its channels last already: nothing large is transposed
        # what a wide depthwise layer reads at each place then fits into the first cache; in 8 bits it does as it is
        *([] if setting.on_whole_numbers else [SplitChannels()]),
        # XNNPACK's fast depthwise kernels have at most 25 taps
        SplitDepthwise(kernels=(9, 25)) if setting.on_whole_numbers else SplitDepthwise(),
        PoolGroupNorm(),  # no transposes, which a norm over channels and places costs
        WriteOutLayerNorm(),  # seven operators for twelve, and nothing cancels
        PadMaxPool(),  # ResNet's stem else splits the graph in two
        *_device(),
        RemoveIdentities(),
    ]


def _device() -> list[Pass]:
    """What LiteRT computes in another way than PyTorch, and what litert-torch writes wrong or not at all."""
    return [
        WriteOutForLitert(),  # what litert-torch does not convert
        LowerPoolings(),  # of a divisor that is given it makes sums, and divides where nobody looks
        LowerSampling(everywhere=True),  # nor this
        LowerResizing(),  # cubic, and others that it writes as sums by weights of its own
        LowerNearest(side_by_side=True),  # other pixels than PyTorch's, and outside the delegate
        DropRepeats(),  # there is no operator for them
        FoldConstants(),  # also where nothing is re-parameterized
        CropTransposed(),  # borders that it refuses, or fills with zeros where PyTorch computes
        WidenConv1d(),  # in 8 bits litert-torch stumbles over its own form
        FlattenLinear(),  # what it makes of more axes it may refuse
        LowerPowers(),  # which XNNPACK does not take, nor the converter of five axes
    ]


def plain_passes(setting: Setting) -> list[Pass]:
    """What any LiteRT model needs."""
    pixels = pixel_passes(setting, reparameterize=False)
    return [FixSizes(setting.signature.inputs), _ATTENTION, *pixels, *_device()]
