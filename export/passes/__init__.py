"""Passes rewrite a traced graph; each keeps a law. ``PASSES`` lists them in order, by format."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..signature import Signature
from ..trace import Origin, Trace
from ._pass import Exactness, Pass, PassResult
from .cancel_transposes import CancelTransposes
from .fix_sizes import FixSizes
from .fold_batch_norm import FoldBatchNorm
from .fold_constant_scale import FoldConstantScale
from .fold_normalization_affine import FoldNormalizationAffine
from .lower_group_norm import LowerGroupNorm
from .recognize_activations import RecognizeActivations
from .remove_identities import RemoveIdentities
from .rewriter import cast_constants
from .separate_chunks import SeparateChunks
from .split_by_chunk import SplitByChunk
from .split_projection import SplitProjection
from .transpose_products import TransposeProducts

__all__ = ["PASSES", "Applied", "Exactness", "Pass", "PassResult", "apply_passes"]


def _fix_sizes(signature: Signature) -> Pass:
    return FixSizes(signature.inputs)


def _common() -> list[Pass]:
    """What every format gains from, in the order that lets each pass see what the one before made."""
    return [
        RemoveIdentities(),  # so that the patterns below are not interrupted by copies
        FoldBatchNorm(),
        SplitByChunk(),
        CancelTransposes(),  # k is transposed when it is taken apart, and again for the product
        FoldNormalizationAffine(),
        FoldConstantScale(),
        RecognizeActivations(),
    ]


def _onnx(signature: Signature) -> list[Pass]:
    return [
        _fix_sizes(signature),
        *_common(),
        TransposeProducts(keys_first=False),
        SeparateChunks(),
        SplitProjection(),
        LowerGroupNorm("instance_norm"),
        RemoveIdentities(),
    ]


def _coreml(signature: Signature) -> list[Pass]:
    return [
        _fix_sizes(signature),
        *_common(),
        TransposeProducts(keys_first=True),
        LowerGroupNorm("layer_norm"),
        RemoveIdentities(),
    ]


PASSES: dict[str, Callable[[Signature], list[Pass]]] = {"onnx": _onnx, "coreml": _coreml}


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
    graph_module = copy.deepcopy(traced.graph_module)
    applied = []
    for rewrite in passes:
        result = rewrite(graph_module)
        graph_module = result.graph_module
        applied.append(Applied(rewrite.name, rewrite.law, rewrite.exactness, result.sites))
    if cast:
        cast_constants(graph_module)
    return replace(traced, graph_module=graph_module), applied
