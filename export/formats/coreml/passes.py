"""The passes that a Core ML model is made with, in order."""

from __future__ import annotations

from ...passes import Pass, Setting
from ...passes.append_softmax import AppendSoftmax
from ...passes.common import common_passes
from ...passes.count_in_integers import CountInIntegers
from ...passes.fix_sizes import FixSizes
from ...passes.fold_constants import FoldConstants
from ...passes.fold_input_scale import FoldInputScale
from ...passes.lower_arctangents import LowerArctangents
from ...passes.lower_group_norm import LowerGroupNorm
from ...passes.lower_log_sigmoid import LowerLogSigmoid
from ...passes.lower_log_softmax import LowerLogSoftmax
from ...passes.lower_nearest import LowerNearest
from ...passes.lower_poolings import LowerPoolings
from ...passes.lower_ranks import LowerRanks
from ...passes.lower_reciprocals import LowerReciprocals
from ...passes.lower_resizing import LowerResizing
from ...passes.lower_rms_norm import LowerRmsNorm
from ...passes.lower_rounding import LowerRounding
from ...passes.lower_sampling import LowerSampling
from ...passes.normalize_inside import NormalizeInside
from ...passes.pad_ceil_mode import PadCeilMode
from ...passes.products_at_rank_4 import ProductsAtRank4
from ...passes.read_truths import ReadTruths
from ...passes.remove_identities import RemoveIdentities
from ...passes.separate_outputs import SeparateOutputs
from ...passes.shift_logsumexp import ShiftLogsumexp
from ...passes.split_softplus import SplitSoftplus
from ...passes.take_apart import TakeApart
from ...passes.transpose_products import TransposeProducts
from ...passes.unroll_recurrences import UnrollRecurrences
from ...passes.write_out_arguments import WriteOutArguments
from ...passes.write_out_computed import WriteOutComputed
from ...passes.write_out_operators import WriteOutOperators
from .known_operators import knows

__all__ = ["passes", "plain_passes"]


def passes(setting: Setting) -> list[Pass]:
    """All of them; what a comment says was measured is from docs/passes.md."""
    return [
        FixSizes(setting.signature.inputs),
        *common_passes(),
        TransposeProducts(keys_first=True),
        *_interface(setting),
        FoldInputScale(),  # 1 / (255 std), into the stem
        LowerGroupNorm("layer_norm"),  # one operator; the composite form overflows in float16
        *_for_the_engine(setting),  # after all that writes operators
        RemoveIdentities(),
        SeparateOutputs(),
    ]


def _interface(setting: Setting) -> list[Pass]:
    """What any Core ML model needs: pixels in, probabilities out where its classes are named, operators that are
    converted right."""
    softmax: list[Pass] = [AppendSoftmax()] if setting.is_classifier else []
    return [
        ReadTruths(),
        *_device(),
        NormalizeInside(setting.signature.inputs, setting.preprocessing),
        *softmax,
    ]


def _device() -> list[Pass]:
    """What Core ML computes in another way than PyTorch, and what coremltools writes wrong: docs/coreml-semantics.md."""
    return [
        UnrollRecurrences(),  # there is no operator for GRUs as PyTorch has them
        TakeApart(knows),  # what coremltools does not convert
        WriteOutOperators(),  # nor these, or wrong
        LowerSampling(),  # by grids that are constants, which coremltools refuses
        FoldConstants(),  # what these made of constants alone; also where nothing is re-parameterized
        CountInIntegers(),  # truths are summed as floats
        LowerRmsNorm(),  # coremltools multiplies its epsilon
        LowerArctangents(),  # which would be wrong on the axes
        LowerReciprocals(),  # after these, which make some: the operators for them add an epsilon
        LowerPoolings(),  # windows at the edges are laid and counted in another way
        LowerRounding(),  # halves are rounded as the processor does
        LowerNearest(),  # factors that are not whole are not what is divided by
        LowerLogSoftmax(),  # which would end where the softmax does
        LowerResizing(),  # cubic or antialiased: there is no operator for it
        LowerLogSigmoid(),  # which coremltools does not convert
        LowerRanks(most=5),  # of windows with heads; after all that writes operators
        WriteOutArguments(),  # which coremltools leaves out
        WriteOutComputed(),  # where it takes constants alone; after it, which makes batch norms
    ]


def _for_the_engine(setting: Setting) -> list[Pass]:
    """What public reports say that the Neural Engine computes wrong, in forms that they call right: docs/lint.md."""
    if setting.options.get("processor") != "neural-engine":
        return []
    return [
        SplitSoftplus(),  # above 10.4 it is 0
        ShiftLogsumexp(),  # where the exponentials add up to more than float16 has
        PadCeilMode(),  # windows at the edges are divided by other numbers
        ProductsAtRank4(),  # after these, whose operators follow a product
    ]


def plain_passes(setting: Setting) -> list[Pass]:
    """What the format's interface needs."""
    rewrites = [*_interface(setting), *_for_the_engine(setting)]
    return [FixSizes(setting.signature.inputs), *rewrites, SeparateOutputs()]
