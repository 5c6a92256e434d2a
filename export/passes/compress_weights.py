"""Large weights are stored in fewer bits: whole numbers and scales, places in a palette, or shorter numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from cloformer.errors import UnsupportedError

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .palettes import palette_of
from .rewriter import Rewriter, arguments, read_constant
from .stored import dequantize, look_up

__all__ = ["LEAST", "STANDS_FOR", "CompressWeights"]

aten = torch.ops.aten
LEAST = (
    1024  # numbers: fewer are a kilobyte, and what makes them small again takes as long for few as for many
)
STANDS_FOR = "cloformer_stands_for"  # in the meta of a compressed weight: what it was
_LEAST_IN_A_BLOCK = 16
_TYPES = {"float16": torch.float16, "float32": torch.float32}

# By operator, the arguments that a constant is a weight as, each with its axes of outputs and of inputs.
_CONVOLUTION = {"weight": (0, 1)}
_TRANSPOSED = {"weight": (1, 0)}
_WEIGHTS: dict[Any, dict[str, tuple[int, int]]] = {
    **dict.fromkeys(
        (
            aten.conv1d.default, aten.conv2d.default, aten.conv3d.default, aten.conv1d.padding, aten.conv2d.padding,
            aten.conv3d.padding, aten.linear.default, aten.embedding.default,
        ),
        _CONVOLUTION,
    ),
    **dict.fromkeys(
        (aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input), _TRANSPOSED
    ),
    aten.addmm.default: {"mat1": (0, 1), "mat2": (1, 0)},
    aten.mm.default: {"self": (0, 1), "mat2": (1, 0)},
    aten.matmul.default: {"self": (-2, -1), "other": (-1, -2)},
    aten.bmm.default: {"self": (1, 2), "mat2": (2, 1)},
    aten.baddbmm.default: {"batch1": (1, 2), "batch2": (2, 1)},
}  # fmt: skip


@dataclass(frozen=True)
class CompressWeights(Pass):
    """Weights of at least :data:`LEAST` numbers of convolutions, matrix products and tables, by ``weights``: "int8" and
    "int4" are whole numbers, symmetric around 0, with a scale for each "channel" of the output or for each "block N" of
    inputs; "uint8", "uint6" and "uint4" are places in a palette for each tensor; "float16" are numbers of that type. Scales and palettes are numbers of the
    type ``stored``.

    A scale is the largest magnitude of what it covers over 127, or 7, rounded up to ``stored``, so that nothing is clipped;
    of zeros it is 1, and so it is of shorter numbers; a weight that has one beyond their largest is left alone. Blocks that would hold fewer than 16 numbers are left alone: their scales would weigh as much as they do.
    Palettes and blocks leave alone what reads one input for each output: depthwise weights are few, and lose the most.
    Of a layer that reads whole numbers the weight is made small, however few its numbers are; of one ``in_float``, by name, it
    stays.
    """

    law: ClassVar[str] = (
        "W becomes s round(W / s), or each of its numbers the nearest of a palette or of a shorter type; the rest stays"
    )
    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE

    weights: str
    granularity: str
    stored: str
    in_float: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Without the layers in float, which the quantization has."""
        return f"compress_weights[weights={self.weights},granularity={self.granularity},stored={self.stored}]"

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for constant, reader, axes in list(_large(rewriter, self.in_float)):
            with rewriter.at(reader):
                small = self._compressed(rewriter, constant, axes)
            if small is not None:
                sites.append(origin_of(reader))
                small.meta[STANDS_FOR] = read_constant(rewriter.graph_module, constant)
                constant.replace_all_uses_with(small)
                for source in small.all_input_nodes:  # before all that read it
                    constant.prepend(source)
                constant.prepend(small)
                rewriter.graph.erase_node(constant)
        if not sites:
            raise UnsupportedError(
                f"no weight can be stored in {self.weights}: of none that a convolution or a product reads has {LEAST:,} numbers "
                "in such blocks",
                f"choose another --precision: {'fp32' if self.weights in _TYPES else 'fp16'}",
            )
        return sites

    def _compressed(self, rewriter: Rewriter, constant: fx.Node, axes: tuple[int, int]) -> fx.Node | None:
        weight = rewriter.constant(constant)
        assert weight is not None
        if self.weights in _TYPES:
            return self._shortened(rewriter, constant, weight)
        if self.granularity != "channel" and weight.shape[axes[1]] == 1:
            return None
        if self.weights.startswith("uint"):
            levels, places = palette_of(weight, 2 ** int(self.weights[4:]), _TYPES[self.stored])
            return rewriter.call(
                look_up, rewriter.new_constant(levels, constant), rewriter.new_constant(places, constant)
            )
        scales = self._scales(weight, axes)
        if scales is None:
            return None
        data, scales = self._whole(weight, scales)
        return rewriter.call(
            dequantize, rewriter.new_constant(data, constant), rewriter.new_constant(scales, constant)
        )

    def _shortened(self, rewriter: Rewriter, constant: fx.Node, weight: Tensor) -> fx.Node | None:
        """The nearest numbers of the shorter type."""
        kind = _TYPES[self.weights]
        if float(weight.abs().max()) > torch.finfo(kind).max:
            return None
        data = rewriter.new_constant(weight.to(kind), constant)
        data.meta["val"] = data.meta["val"].to(kind)
        scale = rewriter.new_constant(torch.ones((), dtype=torch.float64), constant)
        return rewriter.call(dequantize, data, scale)

    def _whole(self, weight: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        """The whole numbers, and the scales that make the weight of them."""
        return torch.round(weight / dequantize(torch.ones_like(weight), scales)).to(torch.int8), scales

    def _scales(self, weight: Tensor, axes: tuple[int, int]) -> Tensor | None:
        """One for each block, with the weight's rank."""
        output, inputs = (axis % weight.dim() for axis in axes)
        sizes = [size if axis == output else 1 for axis, size in enumerate(weight.shape)]
        if self.granularity.startswith("block"):
            most = int(self.granularity.split()[1])
            block = math.gcd(weight.shape[inputs], most)
            sizes[inputs] = weight.shape[inputs] // block
            if weight.numel() // math.prod(sizes) < _LEAST_IN_A_BLOCK:
                return None
        blocks = weight.abs()
        for axis, size in enumerate(sizes):
            shape = [*blocks.shape[:axis], size, -1, *blocks.shape[axis + 1 :]]
            blocks = blocks.reshape(shape).amax(axis + 1)
        largest = 2 ** (int(self.weights[3:]) - 1) - 1
        return _rounded_up(torch.where(blocks == 0, 1.0, blocks / largest), _TYPES[self.stored])


def _rounded_up(values: Tensor, kind: torch.dtype) -> Tensor:
    """To numbers of ``kind``, in float64."""
    found = values.to(kind)
    bits = found.view(torch.int16 if kind is torch.float16 else torch.int32)
    return torch.where(found.double() < values, (bits + 1).view(kind).double(), found.double())


def _large(rewriter: Rewriter, in_float: Sequence[str]) -> Iterator[tuple[fx.Node, fx.Node, tuple[int, int]]]:
    """Each large weight once, with the first operator that reads it as one, and its axes there; whatever its size, that of a
    layer which reads whole numbers."""
    seen = set()
    for node in rewriter.nodes(*_WEIGHTS):
        if node.name in in_float:
            continue
        is_whole = any(source.target is dequantize for source in node.all_input_nodes)
        given = arguments(node)
        for name, axes in _WEIGHTS[node.target].items():
            constant = given[name]
            tensor = rewriter.constant(constant)
            if (
                constant not in seen
                and tensor is not None
                and tensor.is_floating_point()
                and tensor.dim() > 1
                and (is_whole or tensor.numel() >= LEAST)
                and bool(tensor.isfinite().all())
            ):
                seen.add(constant)
                yield constant, node, axes
