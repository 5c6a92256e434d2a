"""Operators that torch.onnx has no conversion for, by others that it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .rewriter import Form, Rewriter, shape_of

__all__ = ["WriteOutForOnnx"]

aten = torch.ops.aten


@dataclass(frozen=True)
class WriteOutForOnnx(Pass):
    """Write what torch.onnx has no conversion for, or converts wrong: distances of all pairs, running products, the largest
    of everything, the larger of two but for what is no number, lengths of two sides, signs of others, what stands at a place
    among the sorted and the place of others among them, repeats by constants, the largest of parts of other sizes, means of what is scattered (it leaves out by
    what they are divided), shuffled channels, and a rectifier whose slope is drawn in training."""

    law: ClassVar[str] = (
        "cdist(x, y, p) = |x - y|_p; cumprod(x) = y_n, y_0 = x, y_k+1[i] = y_k[i] y_k[i - 2**k]; amax(x) = amax(x, every axis); "
        "fmax(x, y) = x if y is no number, y if x is none, else max(x, y); hypot(x, y) = sqrt(x**2 + y**2); "
        "copysign(x, y) = -|x| if y < 0 or 1 / y < 0 else |x|; rrelu(x) = leaky_relu(x, (lower + upper) / 2); "
        "kthvalue(x, k) = topk(x, k, smallest)[k], median(x) = kthvalue(x, (n + 1) // 2); searchsorted(s, x) = sum(s < x); "
        "adaptive_max_pool(x)[i] = max(x[floor(i n / m)] ... x[ceil((i + 1) n / m) - 1]); "
        "scatter_mean(x, i, y) = scatter_add(x, i, y) / scatter_add(1, i, 1)"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(_WRITTEN_OUT)


def _distances(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """Of each row of one from each of the other, by their differences: products of rows lose what cancels."""
    one, other, p = rewriter.call(aten.unsqueeze.default, bound["x1"], -2), bound["x2"], bound["p"]
    other = rewriter.call(aten.unsqueeze.default, other, -3)
    difference = rewriter.call(aten.sub.Tensor, one, other)
    return rewriter.call(aten.linalg_vector_norm.default, difference, p, [-1])


def _everything(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    rank = len(shape_of(bound["self"]) or ())
    if bound["dim"] or not rank:
        return None
    return rewriter.call(node.target, bound["self"], list(range(rank)), bound["keepdim"])


def _but_for_none(larger: Any) -> Form:
    def form(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
        x, y = bound["self"], bound["other"]
        result = rewriter.call(larger, x, y)
        for value, instead in ((x, y), (y, x)):
            if value.meta["val"].is_floating_point():
                is_none = rewriter.call(aten.isnan.default, value)
                result = rewriter.call(aten.where.self, is_none, instead, result)
        return result

    return form


def _length(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    squares = [rewriter.call(aten.mul.Tensor, side, side) for side in (bound["self"], bound["other"])]
    return rewriter.call(aten.sqrt.default, rewriter.call(aten.add.Tensor, *squares))


def _with_a_sign(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    size, sign = rewriter.call(aten.abs.default, bound["self"]), bound["other"]
    if not isinstance(sign, fx.Node):
        return rewriter.call(aten.neg.default, size) if math.copysign(1, sign) < 0 else size
    below = rewriter.call(aten.lt.Scalar, sign, 0)
    zero_below = rewriter.call(aten.lt.Scalar, rewriter.call(aten.reciprocal.default, sign), 0)
    is_negative = rewriter.call(aten.logical_or.default, below, zero_below)
    return rewriter.call(aten.where.self, is_negative, rewriter.call(aten.neg.default, size), size)


def _product_so_far(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """By doubling: after k steps each place holds the product of the last 2**k up to it."""
    x: fx.Node = bound["self"]
    shape = shape_of(node) or ()
    if bound["dtype"] not in (None, x.meta["val"].dtype) or not shape:
        return None
    axis, length, step = bound["dim"] % len(shape), shape[bound["dim"]], 1
    while step < length:
        first = rewriter.call(aten.slice.Tensor, x, axis, 0, step)
        before = rewriter.call(aten.slice.Tensor, x, axis, 0, length - step)
        rest = rewriter.call(aten.mul.Tensor, rewriter.call(aten.slice.Tensor, x, axis, step, length), before)
        x, step = rewriter.call(aten.cat.default, [first, rest], axis), 2 * step
    return x


def _slope_between(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    if bound["training"]:
        return None
    slope = (bound["lower"] + bound["upper"]) / 2
    return rewriter.call(aten.leaky_relu.default, bound["self"], slope)


def _of_the_smallest(place: Callable[[int, dict[str, Any]], int]) -> Form:
    """What stands at a place among the sorted: the last of so many smallest, and where it was."""

    def form(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> list[fx.Node] | None:
        x, shape = bound["self"], shape_of(bound["self"])
        if not shape:
            return None
        axis, last = bound["dim"] % len(shape), place(shape[bound["dim"]], bound)
        smallest = rewriter.call(aten.topk.default, x, last + 1, axis, False, True)
        found: list[fx.Node] = []
        for number in range(2):
            piece = rewriter.piece(smallest, number)
            piece = rewriter.call(aten.slice.Tensor, piece, axis, last, last + 1)
            found.append(piece if bound["keepdim"] else rewriter.call(aten.squeeze.dim, piece, axis))
        return found

    return form


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
        shape = list(shape_of(result) or ())
        picked = rewriter.new_constant(places.flatten(), node.all_input_nodes[0])
        taken = rewriter.call(aten.index_select.default, result, axis, picked)
        shape[axis:] = [*places.shape, *shape[len(shape) + axis + 1 :]]
        apart = rewriter.call(aten.reshape.default, taken, shape)
        result = rewriter.call(aten.amax.default, apart, [axis])
    return [result]


def _parts(size: int, parts: int) -> torch.Tensor:
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


def _middle(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """The lower of the two in the middle of everything, if there are two."""
    shape = shape_of(bound["self"])
    if not shape:
        return None
    flat = rewriter.call(aten.reshape.default, bound["self"], [-1])
    last = (math.prod(shape) - 1) // 2
    smallest = rewriter.call(aten.topk.default, flat, last + 1, 0, False, True)
    return rewriter.call(aten.select.int, rewriter.piece(smallest, 0), 0, last)


def _place_among(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """How many of the sorted stand before each value."""
    x, row = bound["self"], bound["sorted_sequence"]
    if not isinstance(x, fx.Node) or bound["sorter"] is not None or not shape_of(x):
        return None
    is_right = bound["right"] or bound["side"] == "right"
    if len(shape_of(row) or ()) > 1:
        row = rewriter.call(aten.unsqueeze.default, row, -2)
    stands_before = aten.le.Tensor if is_right else aten.lt.Tensor
    before = rewriter.call(stands_before, row, rewriter.call(aten.unsqueeze.default, x, -1))
    kind = torch.int32 if bound["out_int32"] else torch.int64
    numbers = rewriter.call(aten._to_copy.default, before, dtype=kind)
    return rewriter.call(aten.sum.dim_IntList, numbers, [-1], dtype=kind)


def _repeated(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """So many of each, as constants say."""
    often, axis = rewriter.constant(bound["repeats"]), bound["dim"]
    if often is None or axis is None:
        return None
    size = (shape_of(bound["self"]) or ())[axis]
    places = torch.arange(size).repeat_interleave(often.expand(size))
    return rewriter.call(aten.index_select.default, bound["self"], axis, rewriter.new_constant(places, node))


def _mean_of_scattered(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """The sum at each place, over how many it is of."""
    if (
        bound["reduce"] != "mean"
        or not bound["include_self"]
        or not bound["self"].meta["val"].is_floating_point()
    ):
        return None
    x, axis, places, added = (bound[name] for name in ("self", "dim", "index", "src"))
    total = rewriter.call(aten.scatter_add.default, x, axis, places, added)
    ones = [rewriter.call(aten.ones_like.default, value) for value in (x, added)]
    number = rewriter.call(aten.scatter_add.default, ones[0], axis, places, ones[1])
    return rewriter.call(aten.div.Tensor, total, number)


def _shuffled(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """The first channel of each group, then the second of each."""
    batch, channels, *rest = shape_of(node) or ()
    sizes = [batch, bound["groups"], channels // bound["groups"], *rest]
    apart = rewriter.call(aten.reshape.default, bound["self"], sizes)
    turned = rewriter.call(aten.transpose.int, apart, 1, 2)
    return rewriter.call(aten.reshape.default, turned, [batch, channels, *rest])


def _sorted(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> list[fx.Node] | None:
    """ONNX puts the first of equal numbers first."""
    both = rewriter.call(aten.sort.default, bound["self"], bound["dim"], bound["descending"])
    return [rewriter.piece(both, 0), rewriter.piece(both, 1)]


_WRITTEN_OUT: dict[object, Form] = {
    aten.cdist.default: _distances,
    aten._cdist_forward.default: _distances,
    aten.amax.default: _everything,
    aten.amin.default: _everything,
    aten.fmax.default: _but_for_none(aten.maximum.default),
    aten.fmin.default: _but_for_none(aten.minimum.default),
    aten.hypot.default: _length,
    aten.copysign.Tensor: _with_a_sign,
    aten.copysign.Scalar: _with_a_sign,
    aten.cumprod.default: _product_so_far,
    aten.median.default: _middle,
    aten.rrelu.default: _slope_between,
    aten.searchsorted.Tensor: _place_among,
    aten.repeat_interleave.self_Tensor: _repeated,
    aten.native_channel_shuffle.default: _shuffled,
    aten.scatter_reduce.two: _mean_of_scattered,
    aten.median.dim: _of_the_smallest(lambda size, _bound: (size - 1) // 2),
    aten.kthvalue.default: _of_the_smallest(lambda _size, bound: bound["k"] - 1),
    aten.sort.stable: _sorted,
    aten.adaptive_max_pool1d.default: _largest_of_parts,
    aten.adaptive_max_pool2d.default: _largest_of_parts,
    aten.adaptive_max_pool3d.default: _largest_of_parts,
}
