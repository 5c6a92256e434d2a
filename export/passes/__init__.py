"""Passes rewrite a traced graph; each keeps a law. ``PASSES`` lists them in order, by format."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloformer.io.quiet import quiet

from ..source.preprocessing import Preprocessing
from ..source.signature import Signature
from ..source.trace import Origin, Trace
from ._pass import Exactness, Pass, PassResult
from .add_layers_in_turn import AddLayersInTurn
from .append_softmax import AppendSoftmax
from .cancel_transposes import CancelTransposes
from .fix_sizes import FixSizes
from .fold_batch_norm import FoldBatchNorm
from .fold_constant_scale import FoldConstantScale
from .fold_input_scale import FoldInputScale
from .fold_normalization_affine import FoldNormalizationAffine
from .lower_group_norm import LowerGroupNorm
from .normalize_inside import NormalizeInside
from .recognize_activations import RecognizeActivations
from .remove_identities import RemoveIdentities
from .rewriter import cast_constants
from .separate_chunks import SeparateChunks
from .split_by_chunk import SplitByChunk
from .split_projection import SplitProjection
from .transpose_products import TransposeProducts
from .winograd_rows import WinogradRows

__all__ = ["PASSES", "PLAIN", "Applied", "Exactness", "Pass", "PassResult", "Setting", "apply_passes"]


@dataclass(frozen=True)
class Setting:
    """What a list of passes depends on: the signature, the images' preprocessing, whether classes are named."""

    signature: Signature
    preprocessing: Mapping[str, Preprocessing] = field(default_factory=dict)
    is_classifier: bool = False


# What a row's comment says it measured is from docs/passes.md: CloFormer-XXS without that pass, one thread.
def _common() -> list[Pass]:
    """What every format gains from, in the order that lets each pass see what the one before made."""
    return [
        RemoveIdentities(),  # so that the patterns below are not interrupted by copies
        FoldBatchNorm(),  # both exporters would fold it as well: the same graph without
        SplitByChunk(),  # ONNX 4.0 % slower without, and 108 operators more; Core ML 84 more
        CancelTransposes(),  # k is transposed when it is taken apart, and again for the product
        FoldNormalizationAffine(),  # ONNX 1.4 % slower without; 50 operators more, Core ML 25
        FoldConstantScale(),  # 24 operators more without, Core ML 36; no time that stands out
        RecognizeActivations(),  # finds nothing in CloFormer, whose exporters know its activations
    ]


def _onnx(setting: Setting) -> list[Pass]:
    return [
        FixSizes(setting.signature.inputs),  # 5.7 % slower without: no pattern holds computed sizes
        *_common(),
        TransposeProducts(keys_first=False),  # 12 operators; a softmax over another axis is slow: 1.8 %
        SeparateChunks(),  # no Split, each piece is computed where it is read: 2.4 % slower without
        SplitProjection(),  # no Concat: 8 operators fewer after optimization; no time that stands out
        AddLayersInTurn(),  # a convolution takes one sum into itself: 6 operators fewer after optimization
        WinogradRows(),  # XS 1.015 and S 1.013 times as fast, measured once; below 48 channels no gain
        LowerGroupNorm("instance_norm"),  # as the exporter lowers it today; layer norm is slower in S: 1.2 %
        RemoveIdentities(),
    ]


def _coreml(setting: Setting) -> list[Pass]:
    return [
        FixSizes(setting.signature.inputs),
        *_common(),
        TransposeProducts(keys_first=True),
        *_coreml_interface(setting),
        FoldInputScale(),  # 1 / (255 std), into the stem
        LowerGroupNorm("layer_norm"),  # one operator; the composite form overflows in float16
        RemoveIdentities(),
    ]


def _coreml_interface(setting: Setting) -> list[Pass]:
    """What a Core ML model takes and gives: pixels, and probabilities where its classes are named."""
    softmax: list[Pass] = [AppendSoftmax()] if setting.is_classifier else []
    return [NormalizeInside(setting.signature.inputs, setting.preprocessing), *softmax]


PASSES: dict[str, Callable[[Setting], list[Pass]]] = {"onnx": _onnx, "coreml": _coreml}

# Without re-parameterization: only what the format's interface needs.
PLAIN: dict[str, Callable[[Setting], list[Pass]]] = {
    "onnx": lambda _: [],
    "coreml": lambda setting: [FixSizes(setting.signature.inputs), *_coreml_interface(setting)],
}


@dataclass(frozen=True)
class Applied:
    """A pass that ran, and the sites it rewrote."""

    name: str
    law: str
    exactness: Exactness
    sites: tuple[Origin, ...]


def apply_passes(traced: Trace, passes: Sequence[Pass], *, cast: bool = True) -> tuple[Trace, list[Applied]]:
    """A copy of the trace, rewritten by ``passes`` in order, and what each did.

    Constants are folded in float64; ``cast=False`` leaves them so (for proofs in float64).
    """
    with quiet("torch"):  # which warns of itself when a graph is copied
        graph_module = copy.deepcopy(traced.graph_module)
    applied = []
    for rewrite in passes:
        result = rewrite(graph_module)
        graph_module = result.graph_module
        applied.append(Applied(rewrite.name, rewrite.law, rewrite.exactness, result.sites))
    graph_module.recompile()  # once: no pass runs the graph
    if cast:
        cast_constants(graph_module)
    return replace(traced, graph_module=graph_module), applied
