"""Resizing that a converter does not know, with the weights that PyTorch gives each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, shape_of

__all__ = ["LowerResizing"]

aten = torch.ops.aten

_LINEAR = (aten.upsample_linear1d.vec, aten.upsample_bilinear2d.vec)
# How many axes each resizes, and what resizes one in the same way: of an image of one row, its width.
_RESIZES: dict[object, tuple[int, Any]] = {
    aten.upsample_linear1d.vec: (1, aten.upsample_bilinear2d.vec),
    aten.upsample_bilinear2d.vec: (2, aten.upsample_bilinear2d.vec),
    aten.upsample_trilinear3d.vec: (3, aten.upsample_bilinear2d.vec),
    aten.upsample_bicubic2d.vec: (2, aten.upsample_bicubic2d.vec),
    aten._upsample_bicubic2d_aa.vec: (2, aten._upsample_bicubic2d_aa.vec),
    aten._upsample_bilinear2d_aa.vec: (2, aten._upsample_bilinear2d_aa.vec),
}


@dataclass(frozen=True)
class LowerResizing(Pass):
    """Write resizing as the sums that it is, of pixels by weights that the sizes alone decide: PyTorch gives them where it
    resizes an identity matrix.

    Where each pixel becomes so many, the weights repeat: a transposed convolution of each channel, over borders that are
    repeated. Else rows and columns are multiplied by them. Core ML has no operator for cubic and antialiased resizing and for
    volumes, and coremltools writes none by a factor that does not give a whole size.
    """

    law: ClassVar[str] = (
        "resized(x) = H x W', where H and W are identity matrices, resized along one axis; = conv_transpose(repeated(x)) for whole "
        "factors"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(dict.fromkeys(_RESIZES, _resized))


def _resized(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    before, after = shape_of(bound["input"]), shape_of(node)
    rank, _ = _RESIZES[node.target]
    if before is None or after is None or _is_known(node, bound, before, after):
        return None
    weights = [_weights(node, bound, axis, before[axis - rank], after[axis - rank]) for axis in range(rank)]
    kernels = [_Kernel.of(item) for item in weights]
    result: fx.Node = bound["input"]
    if rank == 2 and all(kernels):
        return _by_convolution(rewriter, node, result, [kernel for kernel in kernels if kernel is not None])
    weights[-1] = weights[-1].T
    matrices = [rewriter.new_constant(item, node) for item in weights]
    found: fx.Node = rewriter.write(_product, result, matrices)
    return found


def _is_known(node: fx.Node, bound: dict[str, Any], before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether Core ML resizes it by itself: between two pixels, by factors that give the sizes."""
    factors = bound["scale_factors"]
    if node.target not in _LINEAR:
        return False
    if factors is None or bound["align_corners"]:
        return True
    sizes = zip(before[2:], after[2:], factors, strict=True)
    return all(size * factor == count for size, count, factor in sizes)


def _weights(node: fx.Node, bound: dict[str, Any], axis: int, before: int, after: int) -> Tensor:
    """(after, before): what each old pixel is of each new one along an axis."""
    _, resize = _RESIZES[node.target]
    factors = bound["scale_factors"] and [1.0, bound["scale_factors"][axis]]
    image = torch.eye(before, dtype=torch.float64)[None, :, None]  # a channel for each pixel
    size = None if factors else [1, after]
    found: Tensor = resize(image, size, bound["align_corners"], factors)
    return found[0, :, 0].T


def _product(x: Tensor, matrices: list[Tensor]) -> Tensor:
    """Each new pixel by its weights: rows, then columns, then planes."""
    *others, of_rows = matrices
    x = x @ of_rows
    if others:
        x = others[-1] @ x
    if len(others) > 1:
        planes = others[0] @ x.flatten(-2)
        x = planes.reshape(*planes.shape[:-1], *x.shape[-2:])
    return x


@dataclass(frozen=True)
class _Kernel:
    """Along an axis, what each pixel gives to ``stride`` new ones and their neighbours; ``border`` is how often the outermost
    pixels are repeated, and ``crop`` what is cut off at both ends."""

    numbers: Tensor
    stride: int
    border: int
    crop: int

    @classmethod
    def of(cls, weights: Tensor) -> _Kernel | None:
        """The kernel that gives these weights; None if none does."""
        after, before = weights.shape
        stride, middle = after // before, before // 2
        places = weights[:, middle].nonzero().flatten()
        if after % before or not len(places):
            return None
        first, last = int(places[0]) - stride * middle, int(places[-1]) - stride * middle
        border = max(last // stride, (stride - 1 - first) // stride)
        kernel = cls(
            weights[stride * middle + first : stride * middle + last + 1, middle],
            stride,
            border,
            stride * border - first,
        )
        return kernel if kernel._gives(weights) else None

    def _gives(self, weights: Tensor) -> bool:
        after, before = weights.shape
        if self.border >= before or self.crop < 0:
            return False
        image = torch.eye(before, dtype=weights.dtype)[:, None]
        bordered = F.pad(image, (self.border, self.border), mode="replicate")
        found = F.conv_transpose1d(bordered, self.numbers[None, None], stride=self.stride, padding=self.crop)
        return found.shape[2] == after and torch.allclose(found[:, 0].T, weights, rtol=0, atol=1e-14)


def _by_convolution(rewriter: Rewriter, node: fx.Node, x: fx.Node, kernels: list[_Kernel]) -> fx.Node:
    channels = (shape_of(node) or ())[1]
    rows, columns = kernels
    kernel = torch.outer(rows.numbers, columns.numbers).expand(channels, 1, -1, -1)
    weight = rewriter.new_constant(kernel, node)
    borders = [columns.border, columns.border, rows.border, rows.border]
    bordered = rewriter.call(aten.pad.default, x, borders, "replicate") if any(borders) else x
    strides, crops = [item.stride for item in kernels], [item.crop for item in kernels]
    return rewriter.call(
        aten.conv_transpose2d.input, bordered, weight, None, strides, crops, [0, 0], channels
    )
