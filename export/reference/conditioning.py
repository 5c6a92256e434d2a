"""What kernels lose inside one operator, beyond the rounding of its result: in a sum's length, in a variance's cancellation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ..passes.rewriter import arguments
from .natures import decides, nature_of_node, operator_name
from .resizing import resizes

__all__ = [
    "Statistics", "axis_of_the_same", "factors", "is_exact", "is_whole", "lost_by_sum", "repeats", "share_of_others",
    "stands_still", "statistics", "terms",
]  # fmt: skip


_LANES = 16  # partial sums that a kernel keeps side by side, so that each has so many terms less


def lost_by_sum(count: int, *, in_order: bool = False) -> float:
    """The roundings that a sum of so many terms of one size loses on its way, each of the size of the result: they point in
    any direction, so they grow with the square root of their number. ``in_order``: one addition after the other."""
    return math.sqrt(count if in_order else count / _LANES)


def terms(node: fx.Node, values: Mapping[fx.Node, object]) -> int:
    """How many numbers each result is the sum of; a norm is a root of one. 0 of what adds up nothing."""
    name = operator_name(node.target)
    if not (
        nature_of_node(node) == "sums"
        or "conv" in name
        or name in (*_NORMS, *_RECURRENT, *_LOSSES)
        or name in _TRANSFORMS
        or resizes(node)
    ):
        return 0
    operands = _operands(node, values)
    if "conv" in name and len(operands) > 1:
        weight = operands[1]
        return weight.numel() // weight.shape[1 if "transpose" in name else 0]
    if name == "scaled_dot_product_attention":
        return int(operands[0].shape[-1] + operands[1].shape[-2])
    if name in ("addmm", "baddbmm"):
        return int(operands[1].shape[-1])
    if name == "einsum":
        summed = _summed(str(node.args[0]), operands)
        sizes = [math.prod(x.shape[axis] for axis in axes) for x, axes in zip(operands, summed)]
        return max(sizes, default=1)
    if name in ("linear", "mm", "bmm", "matmul", "mv", "dot"):
        return int(operands[0].shape[-1])
    if name in _RECURRENT:
        width = operands[0].shape[-1] + _first(node.meta["val"]).shape[-1]
        return int(operands[0].numel() // operands[0].shape[-1] * width)
    if name in ("scatter_add", "index_add"):
        return max(int(operands[-1].numel() // max(operands[0].numel(), 1)), 2)
    if name == "cumsum":
        axis = node.args[1]
        assert isinstance(axis, int)
        return int(operands[0].shape[axis])
    if resizes(node):
        axes, after = operands[0].shape[2:], node.meta["val"].shape[2:]
        wider = [max(-(-b // max(a, 1)), 1) if "_aa" in name else 1 for b, a in zip(axes, after)]
        return math.prod((4 if "bicubic" in name else 2) * times for times in wider)
    if name in _TRANSFORMS:
        return _transformed(node, operands[0])
    if name.startswith("avg_pool"):  # windows may lie over one another
        window, rank = cast("Sequence[int]", node.args[1]), int(name[-2])
        return int(math.prod(window)) if len(window) > 1 else int(window[0] ** rank)
    count = int(_first(node.meta.get("val")).numel())
    return max(int(operands[0].numel() // max(count, 1)), 1)


def _transformed(node: fx.Node, operand: Tensor) -> int:
    """The numbers along the axes of a Fourier transform, of the operand or of the result, whichever are more."""
    given = arguments(node)
    axes = given["dim"] if given["dim"] is not None else range(operand.dim())
    after = _first(node.meta["val"]).shape
    places = [axes] if isinstance(axes, int) else list(axes)
    return math.prod(max(operand.shape[axis], after[axis]) for axis in places)


def factors(node: fx.Node, values: Mapping[fx.Node, object]) -> int:
    """How many numbers each result is the product of; 0 of what does not multiply them all."""
    name = operator_name(node.target)
    if name not in ("cumprod", "prod"):
        return 0
    operands = _operands(node, values)
    if name == "cumprod":
        axis = node.args[1]
        assert isinstance(axis, int)
        return int(operands[0].shape[axis])
    first = _first(node.meta.get("val"))
    return operands[0].numel() // max(first.numel(), 1)


def is_whole(value: object, most: float) -> bool:
    """Whether the numbers of a tensor are all whole, and none is larger than ``most``."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.numel():
        return False
    some = value.reshape(-1)[:_LANES]  # most tensors are not, which their first numbers say
    return all(bool((part == part.round()).all() and (part.abs() <= most).all()) for part in (some, value))


def is_exact(node: fx.Node, values: Mapping[fx.Node, object], result: object, roundoff: float) -> bool:
    """Whether the result is of whole numbers that no kernel rounds: what decides gives them as they are, and so does one
    operation that would round, or a sum that is nowhere too large. A count is not off by a share of itself."""
    most = 1 / roundoff
    if not is_whole(result, most):
        return False
    if decides(node) or nature_of_node(node) == "rounds once":
        return True
    if nature_of_node(node) != "sums":
        return False
    operands = _operands(node, values)
    if not all(is_whole(operand, most) for operand in operands):
        return False
    largest = math.prod(float(operand.abs().max()) for operand in operands if operand.numel())
    return largest * terms(node, values) <= most


def _first(value: object) -> Tensor:
    """A result, or the first of several."""
    found = value[0] if isinstance(value, (list, tuple)) else value
    return found if isinstance(found, Tensor) else torch.zeros(())


def _summed(equation: str, operands: Sequence[Tensor]) -> list[list[int]]:
    """Of each operand of an ``einsum``, the axes that its result does not have, counted from the end."""
    given, arrow, result = equation.replace(" ", "").partition("->")
    if not arrow:
        result = "".join(letter for letter in given if given.count(letter) == 1)
    found = []
    for letters, operand in zip(given.split(","), operands, strict=True):
        front, _, back = letters.partition("...")
        named = dict(enumerate(front)) if "..." in letters else {}
        named |= {operand.ndim - len(back or front) + place: name for place, name in enumerate(back or front)}
        found.append([axis - operand.ndim for axis, name in named.items() if name not in result])
    return found


# Means of a function, by their reduction.
_TRANSFORMS = {
    f"fft_{kind}{form}{axes}" for kind in ("", "i") for form in ("fft", "rfft", "hfft") for axes in ("", "2", "n")
} | {"_fft_r2c", "_fft_c2c", "_fft_c2r"}  # fmt: skip
_LOSSES = (
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
)  # fmt: skip
_RECURRENT = ("gru", "lstm", "rnn_tanh", "rnn_relu")


def _operands(node: fx.Node, values: Mapping[fx.Node, object]) -> list[Tensor]:
    """The tensors in the order of the arguments; one that is given twice is there twice."""
    given = (values[item] for item in pytree.tree_leaves(node.args) if isinstance(item, fx.Node))
    return [value for value in given if isinstance(value, Tensor)]


def axis_of_the_same(node: fx.Node, values: Mapping[fx.Node, object]) -> int | None:
    """Where a sum adds up mostly one number again and again, which is rounded the same way each time (the mean of a flat
    image, attention to pixels that are all alike), the axis of its result along which that number differs; else None."""
    axis, factors = _multiplied(node, values)
    return axis if factors and all(map(repeats, factors)) else None


def share_of_others(node: fx.Node, values: Mapping[fx.Node, object]) -> float:
    """Of such a sum, the share that numbers which are there once come to, at most. Where they are added first, all partial sums
    are as large as the result: of a few tokens that stand out, and many that are alike."""
    alike = math.prod(1 - _unlike(factor) for factor in _multiplied(node, values)[1])
    return 1 - alike


def _unlike(x: Tensor) -> float:
    """The largest share of a row that numbers come to which are not those before them; of rows that are mostly one number."""
    rows = x.reshape(-1, x.shape[-1])
    rows = rows[:: max(x.numel() // (8 * _SAMPLE), 1)]
    same = (rows[:, 1:] != 0) & (rows.diff(dim=-1).abs() <= _SAME * float(x.abs().max()))
    rows, same = (part[2 * same.sum(-1) > rows.shape[-1]] for part in (rows.abs(), same))
    if not len(rows):
        return 0.0
    shares = (rows[:, 1:] * same).sum(-1) / rows.sum(-1)
    return 1 - float(shares.min())


def _multiplied(node: fx.Node, values: Mapping[fx.Node, object]) -> tuple[int, list[Tensor]]:
    """Of a sum, the axis of the result along which its terms differ, and what is multiplied to terms, with what is summed over
    as the last axis; nothing where that is not known."""
    nothing: tuple[int, list[Tensor]] = (-1, [])
    operands = _operands(node, values)
    if not operands or not all(operand.is_floating_point() for operand in operands[:2]):
        return nothing
    name = operator_name(node.target)
    if name in _OF_ONE_OPERAND:
        return 1, [_summed_last(node, operands[0])]
    if name == "einsum":
        summed = _summed(str(node.args[0]), operands)
        factors = [operand.movedim(axes[0], -1) for operand, axes in zip(operands, summed) if axes]
        return (-1, factors) if len(factors) == len(operands) else nothing
    if name == "scaled_dot_product_attention":
        return -1, [operand.movedim(-2, -1) for operand in operands[1:3]]
    if name in ("mm", "bmm", "matmul") and min(operand.ndim for operand in operands) > 1:
        return -1, [operands[0], operands[1].movedim(-2, -1)]
    return nothing


def _summed_last(node: fx.Node, x: Tensor) -> Tensor:
    """With an axis last that is summed over, the last of these: of those that pool all are behind the channels."""
    axes = node.args[1] if operator_name(node.target) in ("mean", "sum") and len(node.args) > 1 else None
    found = (
        [axis % x.ndim for axis in axes if isinstance(axis, int)] if isinstance(axes, (list, tuple)) else []
    )
    return x.movedim(max(found), -1) if found else x


_NORMS = (
    "norm",
    "linalg_norm",
    "linalg_vector_norm",
    "linalg_matrix_norm",
    "var",
    "var_mean",
    "std",
    "std_mean",
)
_OF_ONE_OPERAND = ("avg_pool2d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "mean", "sum", *_NORMS)


def stands_still(count: int, roundoff: float) -> float:
    """The share that is lost of a sum of so many terms of one sign and about one size, one addition after the other: it
    stands still from where a term is less than half of its last digit."""
    return max(1 - 1 / (count * roundoff), 0.0)


@dataclass(frozen=True)
class Statistics:
    """Of what is normalized together, for each number of the operand: how many ``terms`` its mean has, and the root of the
    mean square and the mean over the standard deviation. ``repeats``: neighbours are mostly the same number, as where an
    image is flat."""

    terms: int
    size: Tensor
    mean: Tensor
    repeats: bool

    def moved(self, roundoff: float, *, in_order: bool = False) -> tuple[Tensor, Tensor]:
        """How far the result may be off: as a share of itself, and of its own size beside. The same number added again and
        again is rounded the same way each time, so that nothing cancels."""
        lost = roundoff * lost_by_sum(self.terms, in_order=in_order or self.repeats)
        if not (in_order or self.repeats):
            lost /= math.sqrt(_LANES)
        elif in_order:
            lost = max(lost, stands_still(self.terms, roundoff))
        return lost / 2 * (1 + self.mean.square()), lost * self.size


def statistics(node: fx.Node, values: Mapping[fx.Node, object]) -> Statistics | None:
    """The statistics that a normalization takes of its operand; None of what takes none.

    A kernel that sums so many numbers gets the mean wrong by a rounding of that size times a root of their number, and one
    that subtracts its square from the mean square (in one pass) loses as many times more of the variance as that is
    smaller (Higham, section 1.9).
    """
    name = operator_name(node.target)
    given = [values[item] if isinstance(item, fx.Node) else item for item in node.args]
    x = given[0] if given else None
    if not isinstance(x, Tensor) or not x.is_floating_point() or not x.numel():
        return None
    if name in ("layer_norm", "native_layer_norm"):
        assert isinstance(given[1], (list, tuple))
        return _statistics(x, tuple(range(-len(given[1]), 0)))
    if name == "group_norm":
        assert isinstance(given[1], int)
        grouped = x.reshape(x.shape[0], given[1], -1)
        found = _statistics(grouped, (-1,))
        shape = grouped.shape
        size, mean = (part.expand(shape).reshape(x.shape) for part in (found.size, found.mean))
        return Statistics(found.terms, size, mean, repeats(x))
    return _statistics(x, tuple(range(2, x.ndim))) if name == "instance_norm" else None


_LEAST = 1e-5  # what normalizations add to the variance


def _statistics(x: Tensor, axes: tuple[int, ...]) -> Statistics:
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    deviation = (variance + _LEAST).sqrt()
    count = x.numel() // max(mean.numel(), 1)
    return Statistics(count, (variance + mean.square()).sqrt() / deviation, mean / deviation, repeats(x))


_SAME = 1e-5  # of the largest: numbers that are the same but for what float32 has rounded before
_SAMPLE = 2048  # numbers that are looked at, wherever they stand


def _followed(rows: Tensor, apart: float) -> float:
    """The share of the numbers that are not zero which are followed by themselves."""
    counted = rows[:, 1:] != 0
    same = counted & (rows.diff(dim=-1).abs() <= apart)
    return int(same.sum()) / max(int(counted.sum()), 1)


def repeats(x: Tensor) -> bool:
    """Whether most numbers that are not zero are followed by themselves along the last axis, or one in four is there again
    somewhere, as where they are taken from a table."""
    largest = float(x.abs().max())
    rows = x.reshape(-1, x.shape[-1])
    some_rows = rows[:: max(x.numel() // (8 * _SAMPLE), 1)]
    # Where some rows say no by far, not all are looked at.
    if _followed(some_rows, _SAME * largest) > 0.25 and _followed(rows, _SAME * largest) > 0.5:
        return True
    some = x.flatten()[:: max(x.numel() // _SAMPLE, 1)]
    ordered = some[some != 0].sort().values
    return 4 * int((ordered.diff() <= _SAME * largest).sum()) > ordered.numel() > 0
