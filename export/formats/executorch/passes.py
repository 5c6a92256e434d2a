"""The passes that an ExecuTorch program is made with, in order."""

from __future__ import annotations

from ...passes import Pass, Setting
from ...passes.add_layers_in_turn import AddLayersInTurn
from ...passes.batch_products import BatchProducts
from ...passes.common import common_passes, pixel_passes
from ...passes.drop_repeats import DropRepeats
from ...passes.fix_sizes import FixSizes
from ...passes.flatten_softmax import FlattenSoftmax
from ...passes.fold_constants import FoldConstants
from ...passes.instance_as_group_norm import InstanceAsGroupNorm
from ...passes.lower_ranks import LowerRanks
from ...passes.lower_resizing import LowerResizing
from ...passes.lower_sampling import LowerSampling
from ...passes.lower_tanh_gelu import LowerTanhGelu
from ...passes.number_as_float import NumberAsFloat
from ...passes.pool_group_norm import PoolGroupNorm
from ...passes.remove_identities import RemoveIdentities
from ...passes.separate_chunks import SeparateChunks
from ...passes.split_channels import SplitChannels
from ...passes.split_depthwise import SplitDepthwise
from ...passes.split_projection import SplitProjection
from ...passes.write_out_attention import WriteOutAttention
from ...passes.write_out_batch_norm import WriteOutBatchNorm
from ...passes.write_out_for_executorch import WriteOutForExecutorch
from ...passes.write_out_layer_norm import WriteOutLayerNorm
from .limits import MOST_AXES

__all__ = ["passes", "plain_passes"]


# ExecuTorch takes it apart as well, with ten operators more for rows that are masked whole, which its delegate has not.
_ATTENTION = WriteOutAttention(everywhere=True)


def passes(setting: Setting) -> list[Pass]:
    """All of them."""
    return [
        FixSizes(setting.signature.inputs),
        _ATTENTION,  # first, so that its scale can be folded
        *common_passes(),
        *pixel_passes(setting),  # 1 / (255 std) goes into the stem
        # Slices cost less in float: CloFormer-XXS is 1.02 times as fast without; in 8 bits both pieces would have one step
        *([SeparateChunks(), SplitProjection()] if setting.on_whole_numbers else []),
        AddLayersInTurn(),
        BatchProducts(),  # CloFormer-XXS is 25 delegates without, and 48 operators are in none
        # A wide depthwise layer's parts fit into the first cache, and XNNPACK's fast kernels have at most 25 taps; of strips in
        # 8 bits each would be rounded by itself
        *([] if setting.on_whole_numbers else [SplitChannels(), SplitDepthwise()]),
        InstanceAsGroupNorm(),  # whose variance its kernel takes as a difference of means
        WriteOutLayerNorm(
            by_products=True
        ),  # whose variance it takes so, too, and which its delegate has not
        PoolGroupNorm(),  # its delegate has no norm over channels and places
        NumberAsFloat(),  # no conversions at each inference
        *_device(),
        RemoveIdentities(),
    ]


def _device() -> list[Pass]:
    """What ExecuTorch's delegate computes in another way than PyTorch."""
    return [
        LowerTanhGelu(),  # by the error function
        WriteOutForExecutorch(),  # what the runtime has no kernel for
        LowerSampling(),  # nor this, of volumes
        LowerResizing(),  # cubic: its kernel finds the places in float32
        FlattenSoftmax(),  # which its delegate takes over the channels, where these come last
        LowerRanks(most=MOST_AXES),  # its delegate takes more, and the file does not run
        WriteOutBatchNorm(),  # ExecuTorch does it too, and then no name tells which operator is the norm
        DropRepeats(),  # there is no operator for them
        FoldConstants(),  # also where nothing is re-parameterized
    ]


def plain_passes(setting: Setting) -> list[Pass]:
    """What any ExecuTorch program needs."""
    pixels = pixel_passes(setting, reparameterize=False)
    return [FixSizes(setting.signature.inputs), *pixels, *_device()]
