"""Which of torch's operators a Core ML model can be written of."""

from __future__ import annotations

import functools

import torch

from cloformer.io.quiet import quiet

from ...passes.definitions import DEFINITIONS

__all__ = ["converts", "knows"]

aten = torch.ops.aten
# What the format's passes write in operators that coremltools converts, besides those that have a definition.
_REWRITTEN = {
    aten.log_sigmoid.default, aten.upsample_bicubic2d.vec, aten._upsample_bicubic2d_aa.vec, aten.upsample_trilinear3d.vec,
    aten.upsample_nearest3d.vec, aten._upsample_nearest_exact1d.vec, aten._upsample_nearest_exact2d.vec,
    aten._upsample_nearest_exact3d.vec, aten.where.Scalar, aten.where.ScalarOther, aten.grid_sampler.default,
    aten.grid_sampler_2d.default, aten.grid_sampler_3d.default, aten.repeat_interleave.self_Tensor,
    aten.adaptive_max_pool3d.default,
}  # fmt: skip
# What it converts in one form of several: these are taken apart.
_PARTLY = {aten.linalg_matrix_norm.default, aten.linalg_matrix_norm.str_ord}


def knows(target: object) -> bool:
    """Whether coremltools converts the operator, or a pass writes it in others that it does."""
    if target in _PARTLY:
        return False
    return target in _REWRITTEN or target in DEFINITIONS or converts(target)


@functools.cache
def converts(target: object) -> bool:
    """Whether coremltools does."""
    name = getattr(target, "__name__", str(target))
    if name.partition(".")[0].endswith("_"):
        return False  # what changes an operand in place, and `&`, of whose name it makes another
    with quiet("coremltools"):
        from coremltools.converters.mil.frontend.torch.torch_op_registry import is_torch_fx_node_supported

        from . import compression  # noqa: F401 - which registers its conversions

        node = torch.fx.Graph().call_function(target)  # type: ignore[arg-type]
        return bool(is_torch_fx_node_supported(node))
