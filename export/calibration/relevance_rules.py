"""How an operator's relevance is shared among what it was computed of: a rule for each operator.

Every rule conserves: what the operands take adds up to what arrived, and none takes less than nothing. A constant that is
moved takes what arrived where it went (a class token beside the patches), and keeps it; constants in sums and products take
nothing, and their part goes to the computed operands.

Source: Achtibat et al., AttnLRP: Attention-Aware Layer-Wise Relevance Propagation for Transformers (2024); sums are shared
otherwise, in :mod:`.relevance_shares`, and so are softmax's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ..passes.pointwise import is_pointwise
from ..reference.natures import nature_of, operator_name
from .relevance_shares import LEAST, by_sign

__all__ = ["Call", "is_numbers", "shared", "shared_by_default"]

_KIND = torch.float64
_LARGE = 1e100


def _numbers_of(value: object) -> list[Tensor]:
    """The tensors of real floating-point numbers in ``value``, in order."""
    return [item for item in pytree.tree_leaves(value) if is_numbers(item)]


def is_numbers(value: object) -> bool:
    """Whether it is a tensor of real floating-point numbers."""
    return isinstance(value, Tensor) and value.is_floating_point()


@dataclass(frozen=True)
class Call:
    """An operator of a graph with the ``values`` of all nodes; the ``computed`` ones depend on the model's inputs.

    A place is the number of an argument, lists taken apart; those of :attr:`places` hold floating-point numbers.
    """

    node: fx.Node
    values: Mapping[fx.Node, Any]
    computed: frozenset[fx.Node]

    @cached_property
    def _flat(self) -> tuple[list[Any], pytree.TreeSpec]:
        return pytree.tree_flatten((self.node.args, self.node.kwargs))

    @cached_property
    def places(self) -> list[int]:
        return [
            place
            for place, item in enumerate(self._flat[0])
            if isinstance(item, fx.Node) and is_numbers(self.values[item])
        ]

    @cached_property
    def open_places(self) -> list[int]:
        """Those that take relevance."""
        return [place for place in self.places if self.source(place) in self.computed]

    @property
    def result(self) -> Tensor:
        """The first value that the operator gave."""
        return _numbers_of(self.values[self.node])[0].to(_KIND)

    def source(self, place: int) -> fx.Node:
        """The node whose value stands there."""
        found: fx.Node = self._flat[0][place]
        return found

    def value(self, place: int) -> Tensor:
        """What stands there, in float64; an infinite number is a large one, of which a share can be taken."""
        return torch.nan_to_num(self.values[self.source(place)].detach().to(_KIND), 0.0, _LARGE, -_LARGE)

    def compute(self, others: Mapping[int, Tensor]) -> Any:
        """What the operator gives where ``others`` stand in some places."""
        leaves, spec = self._flat
        given = [
            others[place] if place in others
            else self.value(place) if place in self.places
            else self.values[item] if isinstance(item, fx.Node)
            else item
            for place, item in enumerate(leaves)
        ]  # fmt: skip
        args, kwargs = pytree.tree_unflatten(given, spec)
        return self.node.target(*args, **kwargs)  # type: ignore[operator]


Shares = Mapping[int, Tensor]  # by place
# Of the relevance of each value that the operator gave; None where the rule says nothing of such operands.
Rule = Callable[[Call, Sequence[Tensor]], Shares | None]


def shared(call: Call, relevance: Sequence[Tensor]) -> Shares | None:
    """What each operand takes by the operator's rule; None if it has none."""
    rule = _rule_of(call)
    return None if rule is None else rule(call, relevance)


def _rule_of(call: Call) -> Rule | None:
    target = call.node.target
    name = operator_name(target)
    if name in _RULES:
        return _RULES[name]
    if not isinstance(target, torch._ops.OpOverload):
        return None
    if is_pointwise(target) and len(call.open_places) == 1:
        return _passed
    return _moved if target.is_view or nature_of(target) == "moves" else None


def shared_by_default(call: Call, relevance: Sequence[Tensor]) -> Shares:
    """For operators without a rule: in proportion to the magnitude of gradient times input; evenly where there is no
    gradient."""
    operands = {place: call.value(place) for place in call.open_places}
    try:
        gradients = _pulled_back(call, operands, relevance)
    except RuntimeError:  # PyTorch has no derivative of it
        gradients = {place: torch.zeros_like(operand) for place, operand in operands.items()}
    weights = {place: (operand * gradients[place]).abs() for place, operand in operands.items()}
    if sum(float(weight.sum()) for weight in weights.values()) < LEAST:
        weights = {place: torch.ones_like(operand) for place, operand in operands.items()}
    total = sum(float(weight.sum()) for weight in weights.values())
    arrived = sum(float(each.sum()) for each in relevance)
    return {place: weight * (arrived / total) for place, weight in weights.items()}


def _pulled_back(call: Call, operands: Mapping[int, Tensor], relevance: Sequence[Tensor]) -> Shares:
    """``relevance`` times the operator's derivatives; zeros where it has none."""
    leaves = {place: operand.detach().requires_grad_() for place, operand in operands.items()}
    with torch.enable_grad():
        given = _numbers_of(call.compute(leaves))
    reached = [pair for pair in zip(given, relevance, strict=True) if pair[0].requires_grad]
    if not reached:
        return {place: torch.zeros_like(leaf) for place, leaf in leaves.items()}
    values, weights = zip(*reached, strict=True)
    found = torch.autograd.grad(values, list(leaves.values()), weights, materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def _moved(call: Call, relevance: Sequence[Tensor]) -> Shares:
    """Numbers that are moved, repeated or chosen take what arrived where they went, constants too."""
    return _pulled_back(call, {place: call.value(place) for place in call.places}, relevance)


def _passed(call: Call, relevance: Sequence[Tensor]) -> Shares:
    """A function of one number passes on what arrived (the identity rule), whatever the constants beside it. So does a softmax,
    as an exponential function over a sum that is taken for a constant: AttnLRP's own rule, an expansion to first order, leaves
    a part to a bias, and so does not conserve."""
    place = call.open_places[0]
    return {place: relevance[0].sum_to_size(call.value(place).shape)}


def _normalized(call: Call, relevance: Sequence[Tensor]) -> Shares:
    """What is divided passes on what arrived, for what it is divided by is taken for a constant (the identity rule)."""
    first = call.places[0]
    if first not in call.open_places:
        return _passed(call, relevance)
    return {first: relevance[0].sum_to_size(call.value(first).shape)}


def _multiplied(call: Call, relevance: Sequence[Tensor]) -> Shares:
    """Two computed factors take half each; one beside a root's or sum's reciprocal, which normalizes, takes all."""
    factors = [
        place for place in call.open_places if operator_name(call.source(place).target) not in _RECIPROCALS
    ] or call.open_places
    part = relevance[0] / len(factors)
    return {place: part.sum_to_size(call.value(place).shape) for place in factors}


def _added(call: Call, relevance: Sequence[Tensor]) -> Shares:
    """Of two computed summands, those with the sum's sign take what arrived, in proportion."""
    if len(call.open_places) == 1:
        return _passed(call, relevance)
    nothing = {place: torch.zeros_like(call.value(place)) for place in call.open_places}
    parts = [call.compute({**nothing, place: call.value(place)}) for place in call.open_places]

    def total(each: Tensor, one: Tensor) -> Tensor:
        return each.sum(0) * one

    found, _ = by_sign(total, torch.stack(parts), _ONE, call.result, relevance[0], (True, False))
    shares = zip(call.open_places, found, strict=True)
    return {place: share.sum_to_size(call.value(place).shape) for place, share in shares}


def _averaged(call: Call, relevance: Sequence[Tensor]) -> Shares:
    """Of numbers that are added up with weights that are not negative, those with the sum's sign take what arrived, in
    proportion."""
    (place,) = call.open_places

    def average(each: Tensor, one: Tensor) -> Tensor:
        found: Tensor = call.compute({place: each}) * one
        return found

    share, _ = by_sign(average, call.value(place), _ONE, call.result, relevance[0], (True, False))
    return {place: share}


def _product_of(first: int, second: int) -> Rule:
    """The rule of a sum of products of what stands in those two of its places; what else stands there is added."""

    def rule(call: Call, relevance: Sequence[Tensor]) -> Shares | None:
        """Products with the sum's sign take what arrived, in proportion; of two computed factors, each takes half of it."""
        factors = (call.places[first], call.places[second])
        added = {place: torch.zeros_like(call.value(place)) for place in call.places if place not in factors}

        def product(one: Tensor, other: Tensor) -> Tensor:
            found: Tensor = call.compute({**added, **dict(zip(factors, (one, other), strict=True))})
            return found

        one, other = (call.value(place) for place in factors)
        taking = factors[0] in call.open_places, factors[1] in call.open_places
        if not any(taking):
            return None  # what is added alone is computed
        part = relevance[0] / sum(taking)
        shares = by_sign(product, one, other, call.result, part, taking)
        return {
            place: share for place, share in zip(factors, shares, strict=True) if place in call.open_places
        }

    return rule


def _contracted(call: Call, relevance: Sequence[Tensor]) -> Shares | None:
    """Einstein's sums of two factors, as products are shared."""
    return _product_of(0, 1)(call, relevance) if len(call.places) == 2 else None


def _attended(call: Call, relevance: Sequence[Tensor]) -> Shares | None:
    """A product of the values with a softmax of a product, each by its rule."""
    query, key, value = call.places[:3]
    q, k, v = (call.value(place) for place in (query, key, value))
    scoring = [place for place in (query, key) if place in call.open_places]
    factors = bool(scoring) + (value in call.open_places)
    if not factors or q.shape[:-2] != k.shape[:-2]:
        return None  # the mask alone is computed; or heads share their keys
    weights = call.compute({value: torch.eye(k.shape[-2], dtype=_KIND).expand(*v.shape[:-1], -1)})
    of_weights, of_values = by_sign(torch.matmul, weights, v, call.result, relevance[0] / factors)

    def scores(one: Tensor, other: Tensor) -> Tensor:
        return one @ other.mT

    of_query, of_key = by_sign(scores, q, k, scores(q, k), of_weights / max(len(scoring), 1))
    shares = {query: of_query, key: of_key, value: of_values}
    return {place: share for place, share in shares.items() if place in call.open_places}


_ONE = torch.ones((), dtype=_KIND)
_RECIPROCALS = ("rsqrt", "reciprocal")
_PRODUCTS = (
    "conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear",
    "matmul", "mm", "bmm", "mv", "dot",
)  # fmt: skip
_AVERAGES = (
    "mean", "sum", "cumsum", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_trilinear3d",
)  # fmt: skip
_NORMALIZATIONS = (
    "div", "layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "instance_norm", "batch_norm",
    "_native_batch_norm_legit_no_training", "rms_norm",
)  # fmt: skip
# Functions of one number that PyTorch does not mark as such, and softmax.
_FUNCTIONS = (
    "hardswish", "prelu", "log_sigmoid", "softmax", "_softmax", "_safe_softmax", "log_softmax", "_log_softmax", "dropout", "to",
    "_to_copy", "detach",
)  # fmt: skip
_MOVES = (
    "tile", "repeat_interleave", "index_select", "take_along_dim", "concat", "concatenate", "hstack", "vstack", "rot90", "tril",
    "triu", "im2col", "channel_shuffle", "type_as", "adaptive_max_pool1d", "adaptive_max_pool2d", "max", "min",
)  # fmt: skip
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_PRODUCTS, _product_of(0, 1)),
    **dict.fromkeys(("addmm", "baddbmm"), _product_of(1, 2)),
    **dict.fromkeys(_AVERAGES, _averaged),
    **dict.fromkeys(_NORMALIZATIONS, _normalized),
    **dict.fromkeys(_FUNCTIONS, _passed),
    **dict.fromkeys(_MOVES, _moved),
    **dict.fromkeys(("add", "sub", "rsub"), _added),
    "einsum": _contracted,
    "mul": _multiplied,
    "scaled_dot_product_attention": _attended,
}
