"""Products of matrices with four axes, as the Neural Engine has its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .pointwise import is_pointwise
from .rewriter import Rewriter, arguments, is_fixed, shape_of

__all__ = ["ProductsAtRank4"]

aten = torch.ops.aten

_ROWS = 2  # axes of rows by columns
_BATCH = 3  # and of a batch of them
_SOFTMAX = (aten.softmax.int, aten._softmax.default)
_ATTENTION = aten.scaled_dot_product_attention.default
_PRODUCTS = (aten.matmul.default, aten.bmm.default, aten.mm.default)


@dataclass(frozen=True)
class ProductsAtRank4(Pass):
    """Write a layer over rows as a convolution of 1 x 1 taps over pixels of one row and one column each, and a product of two tensors
    of two or three axes as one of four.

    A product of two axes before an activation came out wrong by 0.2 on the Neural Engine, and right with four (coremltools' issue
    2625); attention of three axes was wrong on a phone's GPU, and right with four (LiteRT's issue 8619). What follows a product and
    reads nothing else, an activation or a softmax, is computed with four axes too, so that the reshapes stand at the ends. Left
    alone: products whose shapes are not fixed, and those of tensors with different numbers of axes.
    """

    law: ClassVar[str] = (
        "x W' + b = reshape(conv(reshape(x), W) + b) with 1 x 1 taps; A B = reshape(reshape(A) reshape(B))"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    @property
    def name(self) -> str:
        return "products_at_rank_4"  # a number is a word by itself

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        for node in rewriter.nodes(*_FORMS):
            if not is_fixed(node):
                continue
            with rewriter.at(node):
                wide = _FORMS[node.target](rewriter, node)
            if wide is not None:
                sites.append(_replaced(rewriter, node, wide))
        return sites


def _layer(rewriter: Rewriter, node: fx.Node) -> fx.Node | None:
    """A linear layer over rows; None where its input has other axes, or its weight is computed."""
    bound = arguments(node)
    x, weight, shape = bound["input"], rewriter.constant(bound["weight"]), shape_of(bound["input"])
    if shape is None or len(shape) != _ROWS or weight is None or weight.ndim != _ROWS:
        return None
    return _as_pixels(
        rewriter, x, shape, rewriter.new_constant(weight[..., None, None], bound["weight"]), bound["bias"]
    )


def _product(rewriter: Rewriter, node: fx.Node) -> fx.Node | None:
    """A product of two tensors with as many axes, two or three; of rows by a constant, the same as a layer."""
    first, second = node.args[:2]
    a, b = (shape_of(item) if isinstance(item, fx.Node) else None for item in (first, second))
    if a is None or b is None or len(a) != len(b) or len(a) not in (_ROWS, _BATCH):
        return None
    weight = rewriter.constant(second) if len(a) == _ROWS else None
    if weight is not None:
        return _as_pixels(rewriter, first, a, rewriter.new_constant(weight.T[..., None, None], second), None)  # type: ignore[arg-type]
    factors = (_widened(rewriter, item, shape) for item, shape in ((first, a), (second, b)))  # type: ignore[arg-type]
    return rewriter.call(aten.matmul.default, *factors)


def _attention(rewriter: Rewriter, node: fx.Node) -> fx.Node | None:
    """Attention of three axes; a mask has no more, and is matched from the last on."""
    bound = arguments(node)
    shapes = [shape_of(bound[name]) for name in ("query", "key", "value")]
    if bound["enable_gqa"] or any(shape is None or len(shape) != _BATCH for shape in shapes):
        return None
    for name, shape in zip(("query", "key", "value"), shapes, strict=True):
        bound[name] = _widened(rewriter, bound[name], shape)  # type: ignore[arg-type]
    return rewriter.call(node.target, *list(bound.values())[:6], scale=bound["scale"])


def _as_pixels(
    rewriter: Rewriter, x: fx.Node, shape: tuple[int, ...], weight: fx.Node, bias: object
) -> fx.Node:
    """Each row of ``x`` is a pixel by itself, its columns are channels."""
    pixels = _undone(x, (*shape, 1, 1)) or rewriter.call(aten.reshape.default, x, [*shape, 1, 1])
    return rewriter.call(aten.conv2d.default, pixels, weight, bias)


def _widened(rewriter: Rewriter, x: fx.Node, shape: tuple[int, ...]) -> fx.Node:
    """With axes of one place before the others."""
    wide = (*[1] * (4 - len(shape)), *shape)
    return _undone(x, wide) or rewriter.call(aten.reshape.default, x, list(wide))


def _undone(x: fx.Node, shape: tuple[int, ...]) -> fx.Node | None:
    """What ``x`` is a reshape of, if that has this shape."""
    source = x.args[0] if x.target is aten.reshape.default else None
    return source if isinstance(source, fx.Node) and shape_of(source) == shape else None


_FORMS: Mapping[object, Callable[[Rewriter, fx.Node], fx.Node | None]] = {
    aten.linear.default: _layer,
    **dict.fromkeys(_PRODUCTS, _product),
    _ATTENTION: _attention,
}


def _is_of_pixels(wide: fx.Node) -> bool:
    return wide.target is aten.conv2d.default


def _replaced(rewriter: Rewriter, node: fx.Node, wide: fx.Node) -> Origin:
    """``wide`` has the node's value with four axes; so has what follows it alone, as far as that goes."""
    origin, chain, are_pixels = origin_of(node), [node], _is_of_pixels(wide)
    while (following := _followed_by(chain[-1], are_pixels=are_pixels)) is not None:
        with rewriter.at(following):
            wide = rewriter.call(
                following.target, *_with_axes(following, chain[-1], wide), **following.kwargs
            )
        chain.append(following)
    with rewriter.at(chain[-1]):
        narrow = rewriter.call(aten.reshape.default, wide, list(shape_of(chain[-1]) or ()))
    rewriter.replace(chain.pop(), narrow)
    for left in chain[-1:]:
        rewriter.erase_unread(left)
    return origin


def _followed_by(node: fx.Node, *, are_pixels: bool) -> fx.Node | None:
    """The only operator that reads the node, if it computes the same with four axes."""
    if len(node.users) != 1:
        return None
    (user,) = node.users
    others = [item for item in user.all_input_nodes if item is not node]
    if user.target in _SOFTMAX:
        return None if are_pixels else user
    if not is_pointwise(user.target) or shape_of(user) != shape_of(node) or (are_pixels and others):
        return None
    # Axes are matched from the last on, so that what has no more of them is matched as before.
    ranks = [len(shape_of(item) or ()) for item in others if shape_of(item) is not None]
    return user if len(ranks) == len(others) and max(ranks, default=0) <= len(shape_of(node) or ()) else None


def _with_axes(user: fx.Node, narrow: fx.Node, wide: fx.Node) -> tuple[Any, ...]:
    """What the operator takes, of ``wide`` in the place of ``narrow``; a softmax's axis is counted from the last."""
    given = fx.node.map_arg(user.args, lambda item: wide if item is narrow else item)
    if user.target in _SOFTMAX:
        rank = len(shape_of(narrow) or ())
        return (given[0], given[1] % rank - rank, *given[2:])  # type: ignore[operator]
    return given
