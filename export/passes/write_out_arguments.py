"""Arguments that a converter leaves out, as operators of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ._pass import Exactness, Pass
from .pointwise import is_pointwise
from .rewriter import Form, Rewriter, shape_of

__all__ = ["WriteOutArguments", "scaled_sum"]

aten = torch.ops.aten

_LOGARITHMS = (aten.log.default, aten.log2.default, aten.log10.default, aten.logit.default)
_BOUNDED = (torch.float32, torch.int32, torch.int64)  # in which numbers are to coremltools


@dataclass(frozen=True)
class WriteOutArguments(Pass):
    """Write as operators of their own what coremltools does not read, or reads as something else.

    It drops ``alpha`` of sums and differences (its issue 2573), the threshold of softplus and the running statistics of
    instance norm; takes variances by n, not n - 1, where nothing is said; makes floats of a mean that is an integer by then;
    bounds at the largest float32 where a bound is not given, which makes a finite number of an infinite one; takes the place
    of the largest along each row where it is asked for among all; refuses an integer where an
    activation has a number; knows no product with a vector, no choice between numbers of two types, and no query without keys.
    """

    law: ClassVar[str] = (
        "add(x, y, alpha) = x + alpha y; softplus(x, t) = x where beta x > t; clamp(x, min) = max(x, min); "
        "argmax(x) = argmax(flatten(x)); var(x) = var(x, correction 1); mean(x, t) = mean(t(x)); instance_norm(x, mean, var) = batch_norm(x, mean, var); "
        "where(c, x, y) = where(c, t(x), t(y)), t the result's type; "
        "attention(q, k, v, m) = 0 where m leaves no key"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        return rewriter.write_out(_WRITTEN_OUT)


def scaled_sum(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """``other`` scaled before it is added or subtracted; of ``rsub``, ``self``."""
    alpha = bound["alpha"]
    if alpha == 1:
        return None
    first, second = bound["self"], bound["other"]
    if node.target in (aten.rsub.Scalar, aten.rsub.Tensor):
        first, second = second, first
    scaled = rewriter.call(aten.mul.Tensor, second, alpha) if isinstance(second, fx.Node) else second * alpha
    if node.target is aten.add.Tensor:
        return rewriter.call(aten.add.Tensor, first, scaled)
    if isinstance(first, fx.Node):
        return rewriter.call(aten.sub.Tensor, first, scaled)
    return rewriter.call(aten.rsub.Scalar, scaled, first)


def _softplus(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x, beta, threshold = bound["self"], bound["beta"], bound["threshold"]
    if threshold >= 20:  # PyTorch's own, from which on a float32 is the same
        return None
    smooth = rewriter.call(aten.softplus.default, x, beta)
    is_straight = rewriter.call(aten.gt.Scalar, rewriter.call(aten.mul.Tensor, x, beta), threshold)
    return rewriter.call(aten.where.self, is_straight, x, smooth)


def _one_bound(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    low, high, kind = bound["min"], bound["max"], node.meta["val"].dtype
    if (low is None) == (high is None) or kind not in _BOUNDED:
        return None
    number = float if kind.is_floating_point else int
    if low is not None:
        return rewriter.call(aten.clamp_min.default, bound["self"], number(low))
    return rewriter.call(aten.clamp_max.default, bound["self"], number(high))


def _among_all(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x = bound["self"]
    if bound["dim"] is not None or not shape_of(x):
        return None
    flat = rewriter.call(aten.reshape.default, x, [-1])
    place = rewriter.call(node.target, flat, 0, bound["keepdim"])
    if not bound["keepdim"]:
        return place
    return rewriter.call(aten.reshape.default, place, list(shape_of(node) or ()))


def _corrected(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    if bound["correction"] is not None:
        return None
    over = {"correction": 1, "keepdim": bound["keepdim"]}
    return rewriter.call(node.target, bound["self"], bound["dim"], **over)


def _mean_of_floats(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x, kind = bound["self"], bound["dtype"]
    if kind is None or x.meta["val"].is_floating_point():
        return None
    floats = rewriter.call(aten._to_copy.default, x, dtype=kind)
    over = (bound["dim"], bound["keepdim"]) if node.target is aten.mean.dim else ()
    return rewriter.call(node.target, floats, *over)


def _known_statistics(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    if bound["use_input_stats"]:
        return None
    names = ("input", "weight", "bias", "running_mean", "running_var")
    rest = (False, bound["momentum"], bound["eps"], bound["cudnn_enabled"])
    return rewriter.call(aten.batch_norm.default, *(bound[name] for name in names), *rest)


def _floats(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    if not bound["self"].meta["val"].is_floating_point() or not any(
        type(item) is int for item in bound.values()
    ):
        return None
    given = [float(item) if type(item) is int else item for item in bound.values()]
    return rewriter.call(node.target, *given)


def _with_a_vector(rewriter: Rewriter, _node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    x, y = bound["self"], bound["other"]
    if shape_of(x) is None or shape_of(y) is None or 1 not in (x.meta["val"].ndim, y.meta["val"].ndim):
        return None
    left = rewriter.call(aten.unsqueeze.default, x, 0) if x.meta["val"].ndim == 1 else x
    right = rewriter.call(aten.unsqueeze.default, y, 1) if y.meta["val"].ndim == 1 else y
    result = rewriter.call(aten.matmul.default, left, right)
    if right is not y:
        result = rewriter.call(aten.squeeze.dim, result, -1)
    return rewriter.call(aten.squeeze.dim, result, -1 if right is not y else -2) if left is not x else result


def _of_one_type(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """And between single numbers as between tensors of one: coremltools broadcasts no shape that is empty."""
    kind, is_number, chosen = node.meta["val"].dtype, shape_of(node) == (), []
    changed = is_number
    for value in (bound["self"], bound["other"]):
        if not isinstance(value, fx.Node):
            number = torch.tensor(value, dtype=torch.float64 if kind.is_floating_point else kind)
            value, changed = rewriter.new_constant(number.reshape(1) if is_number else number, node), True
        elif value.meta["val"].dtype != kind:
            value, changed = rewriter.call(aten._to_copy.default, value, dtype=kind), True
        chosen.append(value)
    if not changed:
        return None
    if not is_number:
        return rewriter.call(aten.where.self, bound["condition"], *chosen)
    given = [rewriter.call(aten.reshape.default, value, [1]) for value in (bound["condition"], *chosen)]
    return rewriter.call(aten.squeeze.dim, rewriter.call(aten.where.self, *given), 0)


def _masked_rows(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> fx.Node | None:
    """A query without keys is given all of them, and zeros are chosen in the place of what it finds: a softmax of none is
    another with each format."""
    mask = _for_each_key(rewriter, bound)
    known = rewriter.constant(mask)
    if mask is None:
        return None
    if known is None and not _may_hide(rewriter, mask):
        return None if mask is bound["attn_mask"] else _attended(rewriter, node, bound, mask)
    if known is not None:
        is_seen = (known if known.dtype is torch.bool else known > -math.inf).any(-1, keepdim=True)
        if is_seen.all():
            return None
        opened = known | ~is_seen if known.dtype is torch.bool else torch.where(is_seen, known, 0.0)
        has_keys, mask = (rewriter.new_constant(item, mask) for item in (is_seen, opened))
    else:
        has_keys, mask = rewriter.write(_opened, mask)
    none = rewriter.new_constant(torch.zeros((), dtype=torch.float64), node)
    return rewriter.call(aten.where.self, has_keys, _attended(rewriter, node, bound, mask), none)


def _for_each_key(rewriter: Rewriter, bound: dict[str, Any]) -> fx.Node | None:
    """The mask; with an element for each key where it has one for all of them, which coremltools refuses."""
    mask: fx.Node | None = bound["attn_mask"]
    keys = shape_of(bound["key"])
    sizes = None if mask is None else shape_of(mask)
    if mask is None or not sizes or keys is None or sizes[-1] != 1 or keys[-2] == 1:
        return mask
    return rewriter.call(aten.expand.default, mask, [*sizes[:-1], keys[-2]])


def _attended(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any], mask: fx.Node) -> fx.Node:
    """The same attention with another mask."""
    names = [argument.name for argument in node.target._schema.arguments if not argument.kwarg_only]  # type: ignore[union-attr]
    given = bound | {"attn_mask": mask}
    rest = {name: value for name, value in given.items() if name not in names}
    return rewriter.call(node.target, *(given[name] for name in names), **rest)


def _may_hide(rewriter: Rewriter, mask: fx.Node) -> bool:
    """Whether a query may be left without keys: by truths, by an infinity that stands in the graph or that a logarithm gives,
    or by a mask that is given as it is."""
    if mask.meta["val"].dtype is torch.bool or _moved_from(mask).op == "placeholder":
        return True
    waiting, seen = [mask], set[fx.Node]()
    while waiting:
        node = waiting.pop()
        constant = rewriter.constant(node)
        if constant is None and node.target in _LOGARITHMS:
            return True
        if any(map(_is_infinite, node.args if constant is None else [constant])):
            return True
        seen.add(node)
        waiting += [source for source in node.all_input_nodes if source not in seen]
    return False


def _moved_from(node: fx.Node) -> fx.Node:
    """What the node's elements are, in another place or another shape."""
    while len(node.all_input_nodes) == 1 and not is_pointwise(node.target):
        node = node.all_input_nodes[0]
    return node


def _is_infinite(item: object) -> bool:
    if isinstance(item, Tensor):
        return item.is_floating_point() and bool(item.isinf().any())
    return isinstance(item, float) and math.isinf(item)


def _opened(mask: Tensor) -> list[Tensor]:
    """Which queries have keys, and the mask with all keys for those that have none."""
    if mask.is_floating_point():
        has_keys = mask.amax(-1, keepdim=True) > -math.inf
        return [has_keys, mask.masked_fill(torch.logical_not(has_keys), 0.0)]
    has_keys = mask.to(torch.int32).sum(-1, keepdim=True) > 0
    return [has_keys, torch.logical_or(mask, torch.logical_not(has_keys))]


_WRITTEN_OUT: dict[object, Form] = {
    aten.scaled_dot_product_attention.default: _masked_rows,
    aten.add.Tensor: scaled_sum,
    aten.sub.Tensor: scaled_sum,
    aten.rsub.Scalar: scaled_sum,
    aten.rsub.Tensor: scaled_sum,
    aten.softplus.default: _softplus,
    aten.clamp.default: _one_bound,
    aten.argmax.default: _among_all,
    aten.argmin.default: _among_all,
    aten.var.correction: _corrected,
    aten.std.correction: _corrected,
    aten.mean.default: _mean_of_floats,
    aten.mean.dim: _mean_of_floats,
    aten.instance_norm.default: _known_statistics,
    aten.matmul.default: _with_a_vector,
    aten.elu.default: _floats,
    aten.hardtanh.default: _floats,
    aten.leaky_relu.default: _floats,
    aten.threshold.default: _floats,
    aten.clamp_min.default: _floats,
    aten.clamp_max.default: _floats,
    aten.where.self: _of_one_type,
    aten.where.Scalar: _of_one_type,
    aten.where.ScalarSelf: _of_one_type,
    aten.where.ScalarOther: _of_one_type,
}
