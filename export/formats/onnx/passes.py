"""The passes that an ONNX model is made with, in order."""

from __future__ import annotations

from ...passes import Pass, Setting
from ...passes.add_layers_in_turn import AddLayersInTurn
from ...passes.common import common_passes, pixel_passes
from ...passes.fix_sizes import FixSizes
from ...passes.fold_constants import FoldConstants
from ...passes.lower_arctangents import LowerArctangents
from ...passes.lower_average_pool import LowerAveragePool
from ...passes.lower_ceil_mode import LowerCeilMode
from ...passes.lower_depthwise import LowerDepthwise
from ...passes.lower_group_norm import LowerGroupNorm
from ...passes.lower_log_sigmoid import LowerLogSigmoid
from ...passes.lower_poolings import LowerPoolings
from ...passes.remove_identities import RemoveIdentities
from ...passes.separate_chunks import SeparateChunks
from ...passes.split_depthwise import SplitDepthwise
from ...passes.split_projection import SplitProjection
from ...passes.transpose_products import TransposeProducts
from ...passes.winograd_rows import WinogradRows
from ...passes.write_out_attention import WriteOutAttention
from ...passes.write_out_for_onnx import WriteOutForOnnx

__all__ = ["passes", "plain_passes"]


def passes(setting: Setting) -> list[Pass]:
    """All of them; what a comment says was measured is from docs/passes.md."""
    on_arm64 = _floats_on_arm64(setting)
    return [
        FixSizes(
            setting.signature.inputs
        ),  # no pattern holds computed sizes; a trace for given shapes has few
        *common_passes(chunks_of_last_axis=not on_arm64),  # Swin-Tiny: 0.4 % fewer instructions
        *pixel_passes(setting),  # 1 / (255 std) goes into the stem
        TransposeProducts(keys_first=False),  # 12 operators; a softmax over another axis is slow: 1.8 %
        *_apart(on_arm64=on_arm64),
        AddLayersInTurn(),  # a convolution takes one sum into itself: 6 operators fewer after optimization
        *_by_processor(setting),
        LowerGroupNorm("instance_norm"),  # as the exporter lowers it today; layer norm is slower in S: 1.2 %
        *_device(),
        RemoveIdentities(),
    ]


def _floats_on_arm64(setting: Setting) -> bool:
    """Whether arm64 computes in float32, where a copy takes less than what saves it."""
    return setting.options.get("processor", "arm64").startswith("arm64") and setting.weights == "float32"


def _apart(*, on_arm64: bool) -> list[Pass]:
    """No Split and no Concat: each piece is computed where it is read. On x86 2.1 % slower without the first, and without the second 8
    operators more after optimization; on arm64 CloFormer-XXS takes 0.8 % fewer instructions without them, and 0.5 % with XNNPACK."""
    return [] if on_arm64 else [SeparateChunks(), SplitProjection()]


def _by_processor(setting: Setting) -> list[Pass]:
    """What ONNX Runtime has kernels for on one kind of processor alone, or XNNPACK's provider in it: docs/passes.md. On arm64 its own
    for depthwise layers is one for 3 x 3 taps, and else none that does not copy what each tap reads; XNNPACK's have at most 25."""
    processor = setting.options.get("processor", "arm64")
    if not processor.startswith("arm64"):  # x86, or not said, as before there was another list
        return [
            WinogradRows()
        ]  # XS 1.015 and S 1.013 times as fast, measured once; below 48 channels no gain
    if setting.weights != "float32":
        return []
    if processor == "arm64-xnnpack":
        return [SplitDepthwise(), LowerAveragePool("convolution")]  # 20 % and 2 % fewer instructions
    most = float(setting.options.get("max_growth", "10%").removesuffix("%")) / 100
    return [LowerDepthwise(max_growth=most), LowerAveragePool("product")]  # 20 % and 1.4 %


def _device() -> list[Pass]:
    """What ONNX Runtime computes in another way than PyTorch."""
    return [
        LowerPoolings(),  # windows at the edges are counted in another way
        LowerCeilMode(),  # where ONNX lays a window more
        LowerArctangents(),  # which would be wrong on the axes
        LowerLogSigmoid(),  # the logarithm of a sigmoid, which ends at -18
        FoldConstants(),  # masks that forward makes; also where nothing is re-parameterized
        WriteOutAttention(),  # of other than four axes, or masked: torch.onnx refuses it, or gives no number
        WriteOutForOnnx(),  # which torch.onnx does not convert
    ]


def plain_passes(setting: Setting) -> list[Pass]:
    """What any ONNX model needs."""
    return [*pixel_passes(setting, reparameterize=False), *_device()]
