"""Weights that are stored small, as the operators that an ML Program has for them (``constexpr_``, computed when it is loaded)."""

from __future__ import annotations

from typing import Any

import numpy as np
from coremltools.converters.mil.frontend._utils import (
    _construct_constexpr_dequant_op,
    _construct_constexpr_lut_op,
)
from coremltools.converters.mil.frontend.torch import ops
from coremltools.converters.mil.frontend.torch.internal_graph import InternalTorchIRNode
from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op

__all__: list[str] = []


@register_torch_op(torch_alias=["cloformer::dequantize"])  # type: ignore[untyped-decorator]
def dequantize_blocks(context: ops.TranscriptionContext, node: InternalTorchIRNode) -> None:
    """Whole numbers with a scale for each block."""
    data, scales = (_array(each) for each in ops._get_inputs(context, node, expected=2))
    context.add(
        _construct_constexpr_dequant_op(data.astype(np.int8), None, scales, name=node.name), node.name
    )


@register_torch_op(torch_alias=["cloformer::look_up"])  # type: ignore[untyped-decorator]
def look_up(context: ops.TranscriptionContext, node: InternalTorchIRNode) -> None:
    """Places in a palette, which is filled up to a power of two."""
    palette, places = (_array(each) for each in ops._get_inputs(context, node, expected=2))
    bits = next(each for each in (1, 2, 3, 4, 6, 8) if 2**each >= palette.size)
    filled = np.concatenate([palette, np.full(2**bits - palette.size, palette[-1], palette.dtype)])
    lut = filled.reshape(*[1] * places.ndim, -1, 1)
    context.add(_construct_constexpr_lut_op(places.astype(np.uint8), lut, name=node.name), node.name)


def _array(value: Any) -> Any:
    return np.asarray(value.val)
