"""Resizing that a converter does not know, as products with its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["LowerResizing"]

aten = torch.ops.aten

_RESIZES = (
    aten.upsample_bicubic2d.vec,
    aten._upsample_bicubic2d_aa.vec,
    aten._upsample_bilinear2d_aa.vec,
)


@dataclass(frozen=True)
class LowerResizing(Pass):
    """Multiply rows and columns by the weights of a cubic or an antialiased resizing, which Core ML has no operator for.

    Each new row is a sum of old ones, by weights that the sizes alone decide: PyTorch gives them where it resizes an
    identity matrix.
    """

    law: ClassVar[str] = "resized(x) = H x W', where H and W are identity matrices, resized along one axis"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(dict.fromkeys(_RESIZES, _products))


def _products(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x = bound["input"]
    before, after = shape_of(x), shape_of(node)
    if before is None or after is None:
        return None
    columns = rewriter.new_constant(_weights(node, 1, before[3], after[3]).T[None, None], node)
    rows = rewriter.new_constant(_weights(node, 0, before[2], after[2])[None, None], node)
    return rewriter.call(aten.matmul.default, rows, rewriter.call(aten.matmul.default, x, columns))


def _weights(node: fx.Node, axis: int, before: int, after: int) -> Tensor:
    """(after, before): what each old pixel is of each new one, along the height (0) or the width (1)."""
    bound = arguments(node)
    scales = bound["scale_factors"]
    image = torch.eye(before, dtype=torch.float64)[None, None]
    if axis == 0:
        size, factors = [after, before], scales and [scales[0], 1.0]
    else:
        size, factors = [before, after], scales and [1.0, scales[1]]
    assert callable(node.target)
    found: Tensor = node.target(image, None if factors else size, bound["align_corners"], factors)[0, 0]
    return found if axis == 0 else found.T
