"""What is stored or computed in whole numbers, as the operators that an ML Program has for it: weights (``constexpr_``, computed
when it is loaded), and the numbers that layers in 8 bits read and give."""

from __future__ import annotations

from typing import Any

import numpy as np
from coremltools.converters.mil import Builder as mb  # noqa: N813 - its own idiom
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
    """Whole numbers with a scale for each block; computed ones with one for all."""
    given = ops._get_inputs(context, node, expected=(2, 3))
    data, scales = given[:2]
    if data.val is None:
        zero = _zero_point(given[2]) if len(given) > 2 else np.int8(0)  # a default is left out
        found = mb.dequantize(input=data, zero_point=zero, scale=scales, name=node.name)
    else:
        found = _construct_constexpr_dequant_op(
            _array(data).astype(np.int8), None, _array(scales), name=node.name
        )
    context.add(found, node.name)


@register_torch_op(torch_alias=["cloformer::quantize"])  # type: ignore[untyped-decorator]
def quantize(context: ops.TranscriptionContext, node: InternalTorchIRNode) -> None:
    """Numbers rounded to whole ones of 8 bits."""
    value, scale, zero = ops._get_inputs(context, node, expected=3)
    found = mb.quantize(
        input=value, zero_point=_zero_point(zero), scale=scale, output_dtype="int8", name=node.name
    )
    context.add(found, node.name)


@register_torch_op(torch_alias=["cloformer::look_up"])  # type: ignore[untyped-decorator]
def look_up(context: ops.TranscriptionContext, node: InternalTorchIRNode) -> None:
    """Places in a palette, which is filled up to a power of two."""
    palette, places = (_array(each) for each in ops._get_inputs(context, node, expected=2))
    bits = next(each for each in (1, 2, 3, 4, 6, 8) if 2**each >= palette.size)
    filled = np.concatenate([palette, np.full(2**bits - palette.size, palette[-1], palette.dtype)])
    lut = filled.reshape(*[1] * places.ndim, -1, 1)
    context.add(_construct_constexpr_lut_op(places.astype(np.uint8), lut, name=node.name), node.name)


def _zero_point(value: Any) -> Any:
    return np.int8(value.val)


def _array(value: Any) -> Any:
    return np.asarray(value.val)
