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
from .definitions import DEFINITIONS
from .rewriter import Form, Rewriter, shape_of
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


def _side_by_side(tensors: list[Tensor]) -> Tensor:
    """Along the second axis, or the only one."""
    return torch.cat(
        [each.reshape(1) if each.ndim == 0 else each for each in tensors], int(tensors[0].ndim > 1)
    )


def _one_below_the_other(tensors: list[Tensor]) -> Tensor:
    return torch.cat([each.reshape(1, -1) if each.ndim < 2 else each for each in tensors])


def _one_behind_the_other(tensors: list[Tensor]) -> Tensor:
    """Along the third axis, which a matrix has not yet, and a row neither."""
    rows = [each.reshape(1, -1) if each.ndim < 2 else each for each in tensors]
    return torch.cat([each.unsqueeze(-1) if each.ndim == 2 else each for each in rows], 2)


def _slope_between(self: Tensor, lower: float, upper: float, training: bool, **_: object) -> Any:
    """A rectifier whose slope is drawn in training has the one in the middle."""
    if training:
        return NotImplemented
    return F.leaky_relu(self, (lower + upper) / 2)


def _with_a_sign(self: Tensor, other: Tensor | float) -> Tensor:
    """Of a zero, too: its reciprocal is infinite, and has the sign."""
    size = self.abs()
    if not isinstance(other, Tensor):
        return -size if math.copysign(1, other) < 0 else size
    return torch.where((other < 0) | (other.reciprocal() < 0), -size, size)


def _bounds_of_floats(self: Tensor, min: float | None, max: float | None) -> Any:
    """Where one bound is written as an integer and the other is not."""
    if not self.is_floating_point() or type(min) is type(max) or min is None or max is None:
        return NotImplemented
    return self.clamp(float(min), float(max))


def _shuffled(self: Tensor, groups: int) -> Tensor:
    """The first channel of each group, then the second of each."""
    batch, channels, *rest = self.shape
    return self.reshape(batch, groups, channels // groups, *rest).transpose(1, 2).reshape(self.shape)


def _mean_of_scattered(reduce: str, **given: Any) -> Any:
    """Other reductions are converted right."""
    return (
        DEFINITIONS[aten.scatter_reduce.two](reduce=reduce, **given) if reduce == "mean" else NotImplemented
    )


def _repeated(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """So many of each, as constants say."""
    often, axis = rewriter.constant(bound["repeats"]), bound["dim"]
    if often is None or axis is None:
        return None
    size = (shape_of(bound["self"]) or ())[axis]
    places = torch.arange(size).repeat_interleave(often.expand(size))
    return rewriter.call(aten.index_select.default, bound["self"], axis, rewriter.new_constant(places, node))


def _projected(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> Any:
    """A recurrence whose state is projected at each step, which torch.onnx leaves out: step by step."""
    weights = len(bound["params"]) // ((1 + bound["bidirectional"]) * bound["num_layers"])
    return None if weights % 2 == 0 else RECURRENCES[aten.lstm.input](rewriter, node, bound)


def _largest_of_parts(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> list[fx.Node] | None:
    """Of parts of other sizes, axis after axis: each part filled up with its last number."""
    result, wanted = bound["self"], bound["output_size"]
    sizes = (shape_of(result) or ())[-len(wanted) :]
    if all(size % parts == 0 for size, parts in zip(sizes, wanted, strict=True)):
        return None
    if any(user.args[1] != 0 for user in node.users):
        return None  # where it was
    for axis, (size, parts) in enumerate(zip(sizes, wanted, strict=True), start=-len(wanted)):
        places = _parts(size, parts)
        picked = rewriter.new_constant(places.flatten(), node.all_input_nodes[0])
        taken = rewriter.call(aten.index_select.default, result, axis, picked)
        result = rewriter.write(_largest_in_each, taken, axis, tuple(places.shape))
    return [result]


def _largest_in_each(self: Tensor, axis: int, parts: tuple[int, int]) -> Tensor:
    before, after = self.shape[:axis], self.shape[self.ndim + axis + 1 :]
    return self.reshape(*before, *parts, *after).amax(axis)


def _parts(size: int, parts: int) -> Tensor:
    """The places of each part (``parts``, most of any): the first begins at 0, and the last ends at the end."""
    begins = [place * size // parts for place in range(parts)]
    ends = [-(-(place + 1) * size // parts) for place in range(parts)]
    most = max(end - begin for begin, end in zip(begins, ends, strict=True))
    return torch.tensor(
        [
            [min(begin + place, end - 1) for place in range(most)]
            for begin, end in zip(begins, ends, strict=True)
        ]
    )


def _kept(neutral: float) -> Form:
    """With a number so near to the neutral one that torch.onnx's optimizer leaves it out, which an epsilon of 1e-8 is: it does
    so of numbers alone, and not of vectors of one."""

    def form(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
        shape = shape_of(node)
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


def _written(function: Callable[..., Any]) -> Form:
    def form(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> Any:
        return rewriter.write(lambda given: function(**given), bound)

    return form


_SHARED = (
    # torch.onnx writes exp(x) - 1 and log(1 + x), of which nothing is left near 0.
    aten.expm1.default, aten.special_expm1.default, aten.log1p.default, aten.special_log1p.default,
    aten.cross_entropy_loss.default,  # torch.onnx leaves smoothing out, and takes no probabilities
    aten.binary_cross_entropy_with_logits.default,  # torch.onnx takes the logarithm of a probability
    aten.stack.default, aten.cat.default, aten.logaddexp.default, aten.logaddexp2.default, aten.logcumsumexp.default,
    aten.cumprod.default, aten.cummax.default, aten.cummin.default, aten.nanmedian.dim, aten.nanmedian.default, aten.mode.default,
    aten.index_put.default, aten.index_reduce.default, aten.diagonal_scatter.default, aten.embedding_bag.default,
    aten.embedding_bag.padding_idx, aten.inverse.default, aten.linalg_inv.default, aten.linalg_solve.default,
    aten.cdist.default, aten.pdist.default, aten.fmax.default, aten.fmin.default, aten.hypot.default,
    aten.vander.default, aten.median.default, aten.median.dim, aten.kthvalue.default,
    aten.searchsorted.Tensor, aten.sort.stable, aten.adaptive_avg_pool3d.default,
    # ONNX Runtime quantizes float layers that stand between two of those that torch.onnx writes for these.
    aten.fake_quantize_per_tensor_affine.default, aten.fake_quantize_per_tensor_affine.tensor_qparams,
    aten.fake_quantize_per_channel_affine.default, aten._fake_quantize_learnable_per_tensor_affine.default,
)  # fmt: skip
_OWN: dict[object, Callable[..., Any]] = {
    aten.clamp.default: _bounds_of_floats,
    aten.amax.default: _over_every_axis(torch.amax),
    aten.amin.default: _over_every_axis(torch.amin),
    aten.rrelu.default: _slope_between,
    aten.hstack.default: _side_by_side,
    aten.vstack.default: _one_below_the_other,
    aten.dstack.default: _one_behind_the_other,
    aten.copysign.Tensor: _with_a_sign,
    aten.copysign.Scalar: _with_a_sign,
    aten.native_channel_shuffle.default: _shuffled,
    aten.scatter_reduce.two: _mean_of_scattered,
}
_WRITTEN_OUT: dict[object, Form] = {
    **{target: _written(function) for target, function in _OWN.items()},
    **{target: _written(DEFINITIONS[target]) for target in _SHARED},
    aten.add.Tensor: _kept(0.0),
    aten.sub.Tensor: _kept(0.0),
    aten.mul.Tensor: _kept(1.0),
    aten.div.Tensor: _kept(1.0),
    aten.lstm.input: _projected,
    aten.repeat_interleave.self_Tensor: _repeated,
    aten.adaptive_max_pool1d.default: _largest_of_parts,
    aten.adaptive_max_pool2d.default: _largest_of_parts,
    aten.adaptive_max_pool3d.default: _largest_of_parts,
}
