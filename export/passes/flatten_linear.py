"""Linear layers, and products with a matrix, of rows alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Rewriter, arguments, is_fixed, shape_of

__all__ = ["FlattenLinear"]

aten = torch.ops.aten

_ROWS = 2  # axes of rows by columns
_IMAGE = 4


@dataclass(frozen=True)
class FlattenLinear(Pass):
    """Give a linear layer, or a product with a matrix, its input as rows: all axes but the last in one.

    Of more axes litert-torch makes a product with the weight, which it takes apart by the axes before, and refuses where it
    finds others than it expects. Reshapes cost nothing. Where a product without a bias gives 1 x n x 1 x columns it undoes them
    and finds too many axes: there it is a convolution over an image of n x 1 pixels, by a weight that is known.
    """

    law: ClassVar[str] = "x W = reshape(reshape(x, [rows, columns]) W)"
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(aten.linear.default, aten.matmul.default):
            is_layer = node.target is aten.linear.default
            bound = arguments(node)
            x, weight = (bound[name] for name in (("input", "weight") if is_layer else ("self", "other")))
            bias = bound["bias"] if is_layer else None
            if len(shape_of(weight) or ()) != _ROWS or (shapes := _shapes(node, x)) is None:
                continue
            rows, made = shapes
            with rewriter.at(node):
                if bias is None and _is_undone(made) and rewriter.constant(weight) is not None:
                    result = rewriter.write(_as_pixels if is_layer else _by_columns, x, weight)
                else:
                    flat = rewriter.call(aten.reshape.default, x, rows)
                    parts = (flat, weight, bias) if is_layer else (flat, weight)
                    result = rewriter.call(aten.linear.default if is_layer else aten.mm.default, *parts)
                    result = rewriter.call(aten.reshape.default, result, made)
            sites.append(rewriter.replace(node, result))
        return sites


def _is_undone(made: list[int]) -> bool:
    return len(made) == _IMAGE and made[0] == made[2] == 1


def _as_pixels(x: Tensor, weight: Tensor) -> Tensor:
    """``weight`` is of outputs by inputs."""
    return F.conv2d(x.permute(0, 3, 1, 2), weight[..., None, None]).permute(0, 2, 3, 1)


def _by_columns(x: Tensor, weight: Tensor) -> Tensor:
    return _as_pixels(x, weight.T)


def _shapes(node: fx.Node, given: fx.Node) -> tuple[list[int], list[int]] | None:
    """Of what is given as rows, and of what the node makes of more axes; None of others, or where a size is not known."""
    shape, made = shape_of(given), shape_of(node)
    if shape is None or made is None or len(shape) <= _ROWS or len(made) != len(shape) or not is_fixed(node):
        return None
    return [math.prod(shape[:-1]), shape[-1]], list(made)
