"""3 x 3 convolutions that follow one another, two rows at a time: four products where six were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx

from ..source.origin import Origin
from ..source.trace import origin_of
from ._pass import Exactness, Pass
from .layers import Layer
from .rewriter import Rewriter, arguments, shape_of

__all__ = ["WinogradRows"]

aten = torch.ops.aten

_ELEMENTWISE = {
    aten.relu.default, aten.relu_.default, aten.gelu.default, aten.silu.default, aten.hardswish.default,
    aten.sigmoid.default, aten.tanh.default,
}  # fmt: skip
_CHANNELS = 48  # with 32, the sums cost what the products save (measured: 0.994 times as fast)
_SHARE = 10  # the added weights are at most one for so many of the output's values
_SHORTEST = 2  # convolutions in a chain: the rows of a single one are put together for nothing

Pair = tuple[fx.Node, fx.Node]  # the even rows, and the odd ones


@dataclass(frozen=True)
class WinogradRows(Pass):
    """Compute the even and the odd rows of a chain of dense 3 x 3 convolutions by minimal filtering F(2, 3).

    Four sums of rows are convolved with 1 x 3 kernels, where two rows took two times three. Between the
    convolutions there may be what works on each value alone; the rows stay apart until the chain, and the 1 x 1
    convolution after it, have ended. Left alone: a single convolution, few channels, an odd number of rows,
    stride, dilation, groups, other padding than 1, and kernels so large beside their map that the file would grow.
    Source: S. Winograd, Arithmetic Complexity of Computations (1980); Lavin and Gray, arXiv 1509.09308.
    """

    law: ClassVar[str] = (
        "y0 = m0 + m1 + m2, y1 = m1 - m2 - m3 with m0 = g0 (d0 - d2), m1 = (g0 + g1 + g2) / 2 (d1 + d2), "
        "m2 = (g0 - g1 + g2) / 2 (d2 - d1), m3 = g2 (d1 - d3)"
    )
    exactness: ClassVar[Exactness] = Exactness.REAL

    def rewrite(self, rewriter: Rewriter) -> list[Origin]:
        sites = []
        seen: set[fx.Node] = set()
        for node in rewriter.nodes(aten.conv2d.default):
            chain = [] if node in seen else _chain(rewriter, node)
            seen.update(chain)
            if sum(_filtered(rewriter, link) is not None for link in chain) >= _SHORTEST:
                sites += [origin_of(link) for link in chain if _filtered(rewriter, link) is not None]
                _rewrite(rewriter, chain)
        return sites


def _chain(rewriter: Rewriter, node: fx.Node) -> list[fx.Node]:
    """From a convolution on, what can work on even and odd rows apart; each but the last is read by the next."""
    if _filtered(rewriter, node) is None:
        return []
    chain = [node]
    while len(chain[-1].users) == 1:
        following = next(iter(chain[-1].users))
        is_pointwise = _is_pointwise(rewriter, following)
        if (
            not is_pointwise
            and following.target not in _ELEMENTWISE
            and _filtered(rewriter, following) is None
        ):
            break
        if following.all_input_nodes[0] is not chain[-1]:
            break  # the chain's value is its weight
        chain.append(following)
    return chain


def _filtered(rewriter: Rewriter, node: fx.Node) -> Layer | None:
    """The convolution that F(2, 3) computes."""
    layer, shape = Layer.read(rewriter, node), shape_of(node)
    if layer is None or shape is None or node.target is not aten.conv2d.default:
        return None
    bound = arguments(node)
    if tuple(layer.weight.shape[2:]) != (3, 3) or layer.groups != 1:
        return None
    if any(_both(bound[name]) != (1, 1) for name in ("stride", "padding", "dilation")):
        return None
    outputs, inputs = layer.weight.shape[:2]
    rows, columns = shape[2:]
    if rows % 2 or min(outputs, inputs) < _CHANNELS or 3 * inputs * _SHARE > rows * columns:
        return None
    return layer


def _is_pointwise(rewriter: Rewriter, node: fx.Node) -> bool:
    layer = Layer.read(rewriter, node)
    if layer is None or node.target is not aten.conv2d.default or tuple(layer.weight.shape[2:]) != (1, 1):
        return False
    bound = arguments(node)
    return _both(bound["stride"]) == (1, 1) and _both(bound["padding"]) == (0, 0)


def _both(value: object) -> tuple[object, ...]:
    """One number, or a list of one, is meant for both directions."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return values * 2 if len(values) == 1 else values


def _rewrite(rewriter: Rewriter, chain: list[fx.Node]) -> None:
    """Put the chain's value, made of its even and odd rows, in the place of the last link."""
    pair: Pair | None = None
    for link in chain:
        with rewriter.at(link):
            layer = _filtered(rewriter, link)
            if layer is not None:
                sums = _Sums(rewriter, layer)
                pair = _products(sums, sums.of_all(layer.input) if pair is None else sums.of_pair(*pair))
                continue
            assert pair is not None
            even, odd = (rewriter.call(link.target, half, *link.args[1:], **link.kwargs) for half in pair)
            pair = even, odd
    last = chain[-1]
    shape = shape_of(last)
    assert pair is not None and shape is not None
    with rewriter.at(last):
        # Two rows side by side are one row twice as long.
        together = rewriter.call(aten.cat.default, list(pair), 3)
        whole = rewriter.call(aten.view.default, together, list(shape))
    rewriter.replace(last, whole)


def _products(sums: _Sums, given: list[fx.Node]) -> Pair:
    """The even and the odd rows of the convolution, of the four sums of rows that it needs."""
    weight, bias = sums.layer.weight, sums.layer.bias
    upper, middle, lower = torch.split(weight, 1, dim=2)
    first = sums.convolve(given[1], (upper + middle + lower) / 2)
    second = sums.convolve(given[2], (upper - middle + lower) / 2)
    even = sums.add(sums.convolve(given[0], upper, bias), sums.add(first, second))
    odd = sums.add(sums.convolve(given[3], -lower, bias), sums.add(sums.rows(second, [-1.0]), first))
    return even, odd


@dataclass(frozen=True)
class _Sums:
    """The sums of rows, written as convolutions of each channel alone.

    ONNX Runtime joins those with the sum that comes after and keeps its own layout through them; a subtraction
    it would do in another layout.
    """

    rewriter: Rewriter
    layer: Layer

    def of_all(self, value: fx.Node) -> list[fx.Node]:
        """d0 - d2, d1 + d2, d2 - d1, d1 - d3 of every second row on; d0 is the one above it."""
        taps = ([1.0, 0, -1], [0, 1.0, 1], [0, -1.0, 1], [0, 1.0, 0, -1])
        return [self.rows(value, row, stride=2) for row in taps]

    def of_pair(self, even: fx.Node, odd: fx.Node) -> list[fx.Node]:
        """The same where even and odd rows are apart: d1 and d2 are one of each."""
        return [
            self.rows(odd, [1.0, -1, 0]),
            self.add(even, odd),
            self.add(self.rows(even, [-1.0]), odd),
            self.rows(even, [0, 1.0, -1]),
        ]

    def rows(self, value: fx.Node, taps: list[float], stride: int = 1) -> fx.Node:
        """The sum of neighbouring rows, weighted; the first tap of several is the row above."""
        channels = value.meta["val"].shape[1]
        kernel = torch.tensor(taps, dtype=torch.float64).reshape(1, 1, -1, 1).expand(channels, 1, -1, 1)
        padding = [int(len(taps) > 1), 0]
        return self._convolution(value, kernel, None, [stride, 1], padding, channels)

    def convolve(self, value: fx.Node, kernel: Tensor, bias: Tensor | None = None) -> fx.Node:
        """The convolution with a 1 x 3 kernel."""
        return self._convolution(value, kernel, bias, [1, 1], [0, 1], 1)

    def add(self, value: fx.Node, other: fx.Node) -> fx.Node:
        return self.rewriter.call(aten.add.Tensor, value, other)

    def _convolution(
        self,
        value: fx.Node,
        kernel: Tensor,
        bias: Tensor | None,
        stride: list[int],
        padding: list[int],
        groups: int,
    ) -> fx.Node:
        rewriter, node = self.rewriter, self.layer.node
        weight = rewriter.new_constant(kernel.contiguous(), node)
        added = None if bias is None else rewriter.new_constant(bias, node)
        return rewriter.call(aten.conv2d.default, value, weight, added, stride, padding, [1, 1], groups)
