"""Refusing an ExecuTorch program that would compute without end, before the runtime is given it."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from cloformer.errors import CloformerError, InputError
from cloformer.io.words import reason_of

from ..work_limit import OF_AN_ELEMENT, WorkMeter
from .file import Program, Value
from .steps import Made, steps

__all__ = ["has_products", "multiply_adds", "refuse_endless"]


def refuse_endless(program: Program, path: Path, most: int | None) -> None:
    """:class:`InputError` if an inference takes more than ``most`` multiply-adds (None: nothing does), or if the file's operators do
    not fit together. Shapes alone are computed."""
    meter = WorkMeter(str(path), most)
    entries = [program.values[place] for place in program.inputs]
    given = [
        torch.empty(item.shape, dtype=item.dtype, device="meta")
        for item in entries
        if isinstance(item, Value)
    ]
    try:
        for made in steps(program, given):
            meter.add(multiply_adds(made) + OF_AN_ELEMENT * made.value.numel())
    except CloformerError:
        raise
    except Exception as error:  # torch, of shapes that do not fit
        raise InputError(
            f"{path} has steps that do not fit together: {reason_of(error)}", "export it again"
        ) from error


_LAYERS = {
    "Conv2d": slice(1, 4), "ConvTranspose2d": slice(1, 4), "DepthwiseConv2d": slice(1, 3), "FullyConnected": slice(1, 2),
    "aten::convolution.out": slice(1, None),
}  # fmt: skip
_PRODUCTS = (
    "BatchMatrixMultiply",
    "aten::mm.out",
    "aten::bmm.out",
    "aten::matmul.out",
    "ScaledDotProductAttention",
)


def has_products(made: Made) -> bool:
    """Whether it is a layer or a product, of which :func:`multiply_adds` are that."""
    return made.operator in (*_LAYERS, *_PRODUCTS)


def multiply_adds(made: Made) -> int:
    """Of layers and products; of what else reads more than it gives, the elements that it reads."""
    read = max((item.numel() for item in made.operands), default=0)
    if made.operator in _LAYERS and len(made.operands) > 1:
        return made.value.numel() * math.prod(made.operands[1].shape[_LAYERS[made.operator]])
    if made.operator in _PRODUCTS and made.operands and made.operands[0].dim():
        return made.value.numel() * made.operands[0].shape[-1]
    return read
