"""Operators that torch.onnx has no conversion for, or a wrong one, by others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .by_places import largest_of_parts, repeated
from .definitions import DEFINITIONS
from .definitions.scattering import of_shape
from .rewriter import Form, Rewriter, shape_of, written
from .unroll_recurrences import RECURRENCES

__all__ = ["WriteOutForOnnx"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WriteOutForOnnx(Pass):
    """Write what torch.onnx has no conversion for, or a wrong one (the mean of what is scattered leaves out what was there),
    by operators that it converts: some by the same definitions as for Core ML (:mod:`.definitions`), and those below."""

    law: ClassVar[str] = (
        "an operator = its definition by others; cumprod(x) = y_n, y_0 = x, y_k+1[i] = y_k[i] y_k[i - 2**k], for one"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(_WRITTEN_OUT)


def _over_every_axis(larger: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def law(self: Tensor, dim: list[int], keepdim: bool) -> Any:
        """Of everything, where no axis is named; of truths, which ONNX has none of before opset 20, as numbers."""
        axes = list(dim) or list(range(self.ndim))
        if self.dtype is torch.bool and axes:
            return larger(self.to(torch.int32), axes, keepdim).to(torch.bool)
        return NotImplemented if dim or not self.ndim else larger(self, axes, keepdim)

    return law


def _slope_between(self: Tensor, lower: float, upper: float, training: bool, **_: object) -> Any:
    """A rectifier whose slope is drawn in training has the one in the middle."""
    if training:
        return NotImplemented
    return F.leaky_relu(self, (lower + upper) / 2)


def _folded(self: Tensor, **given: Any) -> Any:
    """Of one image, as of a batch of one."""
    return NotImplemented if self.ndim == 3 else aten.col2im.default(self.unsqueeze(0), **given).squeeze(0)


def _bounded_alike(self: Tensor, min: float | None, max: float | None) -> Any:
    """Both bounds in the numbers' type: torch.onnx knows no operator of an integer and a float."""
    if not self.is_floating_point() or type(min) is type(max) or None in (min, max):
        return NotImplemented
    return self.clamp(float(min), float(max))  # type: ignore[arg-type]


def _mean_of_floats(self: Tensor, dtype: torch.dtype | None, dim: Any = None, keepdim: bool = False) -> Any:
    """Of whole numbers, which torch.onnx takes the mean of before it makes floats."""
    if dtype is None or self.is_floating_point():
        return NotImplemented
    return self.to(dtype).mean() if dim is None else self.to(dtype).mean(dim, keepdim)


def _of_whole_numbers(self: Tensor, other: Any, rounding_mode: str | None) -> Any:
    """Of whole numbers, which torch.onnx divides as floats; it does so of floats as well."""
    if self.is_floating_point() or (
        other.is_floating_point() if isinstance(other, Tensor) else type(other) is float
    ):
        return NotImplemented
    return DEFINITIONS[aten.div.Tensor_mode](self, other, rounding_mode)


def _scattered(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Any:
    """A number for each place, which ONNX asks for."""
    same = src.shape == index.shape
    return NotImplemented if same else torch.scatter(self, dim, index, of_shape(src, index))


def _mean_of_scattered(reduce: str, **given: Any) -> Any:
    """Other reductions are converted right, of a number for each place."""
    if reduce == "mean":
        return DEFINITIONS[aten.scatter_reduce.two](reduce=reduce, **given)
    if given["src"].shape == given["index"].shape:
        return NotImplemented
    given["src"] = of_shape(given["src"], given["index"])
    return aten.scatter_reduce.two(reduce=reduce, **given)


def _grid_of_volumes(theta: Tensor, size: list[int], align_corners: bool) -> Any:
    """Those of images are converted."""
    is_image = len(size) == 4
    generate = DEFINITIONS[aten.affine_grid_generator.default]
    return NotImplemented if is_image else generate(theta, size, align_corners)


def _projected(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> Any:
    """A recurrence whose state is projected at each step, which torch.onnx leaves out: step by step."""
    weights = len(bound["params"]) // ((1 + bound["bidirectional"]) * bound["num_layers"])
    return None if weights % 2 == 0 else RECURRENCES[aten.lstm.input](rewriter, node, bound)


def _kept(neutral: float, of_truths: Any = None) -> Form:
    """Of two truths, ``of_truths``, for ONNX adds and multiplies none. With a number so near to the neutral one that torch.onnx's optimizer leaves it out, which an epsilon of 1e-8 is: it does
    so of numbers alone, and not of vectors of one."""

    def form(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
        shape = shape_of(node)
        if of_truths is not None and node.meta["val"].dtype is torch.bool:
            truths = [bound[name] for name in ("self", "other")]
            return rewriter.call(of_truths, *truths) if all(isinstance(x, fx.Node) for x in truths) else None
        if not node.meta["val"].is_floating_point() or shape is None or bound.get("alpha", 1) != 1:
            return None
        given = {name: bound[name] for name in ("self", "other")}
        numbers = {name: _number(rewriter, value) for name, value in given.items()}
        near = [name for name, number in numbers.items() if number is not None and _is_near(number, neutral)]
        if not near:
            return None
        for name in near:
            given[name] = rewriter.new_constant(torch.tensor([numbers[name]], dtype=torch.float64), node)
        rest = {name: value for name, value in bound.items() if name not in given}
        result = rewriter.call(node.target, *given.values(), **rest)
        return result if shape else rewriter.call(aten.reshape.default, result, [])

    return form


def _number(rewriter: Rewriter, value: object) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    constant = rewriter.constant(value)
    return None if constant is None or constant.ndim or constant.is_complex() else float(constant)


def _is_near(number: float, neutral: float) -> bool:
    """As the optimizer asks, but for the neutral number itself."""
    return number != neutral and math.isclose(number, neutral, rel_tol=1e-5, abs_tol=1e-8)


_SHARED = (
    # torch.onnx writes exp(x) - 1 and log(1 + x), of which nothing is left near 0.
    aten.expm1.default, aten.special_expm1.default, aten.log1p.default, aten.special_log1p.default,
    aten.cross_entropy_loss.default,  # torch.onnx leaves smoothing out, and takes no probabilities
    aten.binary_cross_entropy_with_logits.default,  # torch.onnx takes the logarithm of a probability
    aten.stack.default, aten.cat.default, aten.logaddexp.default, aten.logaddexp2.default, aten.logcumsumexp.default,
    aten.cumprod.default, aten.cummax.default, aten.cummin.default, aten.nanmedian.dim, aten.nanmedian.default, aten.mode.default,
    aten.index_put.default, aten.index_reduce.default, aten.diagonal_scatter.default, aten.embedding_bag.default,
    aten.embedding_bag.padding_idx, aten.inverse.default, aten.linalg_inv.default, aten.linalg_solve.default,
    aten.scatter_add.default, aten.slogdet.default, aten.linalg_slogdet.default,
    aten.cdist.default, aten.pdist.default, aten.fmax.default, aten.fmin.default, aten.hypot.default,
    aten.vander.default, aten.median.default, aten.median.dim, aten.kthvalue.default,
    aten.relu.default, aten.relu6.default, aten.hardtanh.default,  # of whole numbers: ONNX Runtime has some of these
    aten.logit.default, aten.special_logit.default,  # torch.onnx clamps to 1 - eps, which is 1 in float16
    aten.searchsorted.Tensor, aten.sort.stable, aten.adaptive_avg_pool3d.default, aten.aminmax.default,
    aten.copysign.Tensor, aten.copysign.Scalar, aten.signbit.default, aten.native_channel_shuffle.default, aten.hstack.default, aten.vstack.default,
    aten.dstack.default,
    # ONNX Runtime quantizes float layers that stand between two of those that torch.onnx writes for these.
    aten.fake_quantize_per_tensor_affine.default, aten.fake_quantize_per_tensor_affine.tensor_qparams,
    aten.fake_quantize_per_channel_affine.default, aten._fake_quantize_learnable_per_tensor_affine.default,
)  # fmt: skip
_OWN: dict[object, Callable[..., Any]] = {
    aten.amax.default: _over_every_axis(torch.amax),
    aten.amin.default: _over_every_axis(torch.amin),
    aten.rrelu.default: _slope_between,
    aten.col2im.default: _folded,
    aten.clamp.default: _bounded_alike,
    aten.div.Tensor_mode: _of_whole_numbers,
    aten.div.Scalar_mode: _of_whole_numbers,
    aten.mean.default: _mean_of_floats,
    aten.mean.dim: _mean_of_floats,
    aten.affine_grid_generator.default: _grid_of_volumes,
    aten.scatter.src: _scattered,
    aten.scatter_reduce.two: _mean_of_scattered,
}
_WRITTEN_OUT: dict[object, Form] = {
    **{target: written(function) for target, function in _OWN.items()},
    **{target: written(DEFINITIONS[target]) for target in _SHARED},
    aten.add.Tensor: _kept(0.0, aten.logical_or.default),
    aten.sub.Tensor: _kept(0.0),
    aten.mul.Tensor: _kept(1.0, aten.logical_and.default),
    aten.div.Tensor: _kept(1.0),
    aten.lstm.input: _projected,
    aten.repeat_interleave.self_Tensor: repeated,
    aten.adaptive_max_pool1d.default: largest_of_parts,
    aten.adaptive_max_pool2d.default: largest_of_parts,
    aten.adaptive_max_pool3d.default: largest_of_parts,
}
