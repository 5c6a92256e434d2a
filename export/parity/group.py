"""Nodes that are computed together, because a candidate gives no value between them; and how well they are determined.

A result is as good as what it is made from: where a normalization is left almost no variance, where a sum cancels, where
a number lies at the edge of a comparison, the last bit of an operand decides more than the last bit of the result. So a
group can be computed again with everything in it moved by a rounding. What moves the result that far is no fault of
whoever computed it (backward error: Higham, Accuracy and Stability of Numerical Algorithms, section 1.5).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, fx

from ..passes.layers import LAYERS, TRANSPOSED
from ..passes.rewriter import arguments
from ..reference.conditioning import is_exact, is_whole, statistics, terms
from ..reference.natures import decides, nature_of_node, operator_name
from ..reference.wide import Call, narrowed

__all__ = ["AVERAGES", "Group", "Sums", "constant_number", "partial_sums"]

_aten = torch.ops.aten
_WITH_NUMBERS = (_aten.mul.Tensor, _aten.div.Tensor, _aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Scalar)

_DRAWS = 8
_SIGNS = ((1.0,), (-1.0,), (1.0, -1.0), (-1.0, 1.0))  # of one value after the other: for comparisons of two

# How sums are kept: as narrow as what is moved, and so one addition after the other at worst, or in a wider type.
Sums = Literal["as narrow", "in order", "wider"]
AVERAGES = (
    "mean", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d",
)  # fmt: skip

Move = Callable[[Tensor, Tensor], Tensor]  # of a tensor, by so much at each place


def constant_number(node: fx.Node, stored: torch.dtype) -> Callable[[float], float] | None:
    """A number that the operator multiplies or adds is a constant, and rounded as a candidate stores it; what the type ends
    before stays."""
    if node.target not in _WITH_NUMBERS:
        return None

    def rounded(number: float) -> float:
        found = float(torch.tensor(number, dtype=torch.float64).to(stored))
        return found if math.isfinite(found) else number

    return rounded


@dataclass(frozen=True)
class Group:
    """``nodes`` in the order they run, the last being the one that is compared; ``leaves`` are what they are computed
    from: values of the candidate, inputs and constants, by node."""

    stored: torch.dtype
    nodes: tuple[fx.Node, ...] = ()
    leaves: Mapping[fx.Node, object] = field(default_factory=dict)
    piece: int | None = None  # of a last node that gives several values, the one that is compared

    @property
    def decides(self) -> bool:
        """Whether a result may jump where an operand moves by a rounding."""
        return any(decides(node) for node in self.nodes)

    @property
    def computing(self) -> list[fx.Node]:
        """The nodes that do more than to move numbers."""
        return [node for node in self.nodes if nature_of_node(node) != "moves"]

    @property
    def is_simple(self) -> bool:
        """Whether at most one node rounds, and that but once."""
        kinds = [nature_of_node(node) for node in self.computing]
        scales = any(node.kwargs.get("alpha", 1) != 1 for node in self.nodes)  # a product is rounded as well
        return not self.decides and not scales and kinds in ([], ["rounds once"])

    def result(self, values: Mapping[fx.Node, object]) -> object:
        """The value that is compared."""
        value = values[self.nodes[-1]]
        return value if self.piece is None else value[self.piece]  # type: ignore[index]

    def computed(self) -> dict[fx.Node, object]:
        """The value of every node."""
        return self._run(None, 0.0)

    @torch.no_grad()
    def with_largest(self) -> object | None:
        """The value that is compared, where every constant that the type it is stored in ends before is the largest number of
        that type; None where none is."""
        largest = torch.finfo(self.stored).max
        values = {node: _bounded(value, largest, largest) for node, value in self.leaves.items()}
        calls = {node: Call(node).stored(self.stored, ends=True) for node in self.nodes}
        is_one = any(call is not None for call in calls.values())
        return self._of_others(values, calls) if is_one or self._are_others(values) else None

    @torch.no_grad()
    def with_infinite(self, limit: float) -> object | None:
        """The value that is compared, where every number beyond ``limit`` that the nodes are given is infinite; None where none
        is."""
        values = {node: _bounded(value, limit, math.inf) for node, value in self.leaves.items()}
        return self._of_others(values, {}) if self._are_others(values) else None

    @torch.no_grad()
    def with_bounds(self, limit: float) -> object | None:
        """The value that is compared, where what is multiplied by a number of the graph beyond ``limit`` ends there; None where
        none is."""
        stored = {node: Call(node).stored(self.stored, ends=True) for node in self.nodes}
        products = [
            node for node, call in stored.items() if call is not None and operator_name(node.target) == "mul"
        ]
        if not products:
            return None
        values = dict(self.leaves)
        for node in self.nodes:
            found = Call(node).wide(values, constant_number(node, self.stored))
            values[node] = _bounded(found, limit, limit) if node in products else found
        return self.result(values)

    @torch.no_grad()
    def own(self) -> object:
        """The value that is compared as PyTorch computes it, in the model's own types."""
        values: dict[fx.Node, object] = {
            node: narrowed(value, node.meta.get("val")) for node, value in self.leaves.items()
        }
        for node in self.nodes:
            values[node] = Call(node).own(values)
        return self.result(values)

    def _are_others(self, values: Mapping[fx.Node, object]) -> bool:
        return any(values[node] is not value for node, value in self.leaves.items())

    def _of_others(self, leaves: Mapping[fx.Node, object], calls: Mapping[fx.Node, Call | None]) -> object:
        values = dict(leaves)
        for node in self.nodes:
            call = calls.get(node) or Call(node)
            values[node] = call.wide(values, constant_number(node, self.stored))
        return self.result(values)

    def disturbed(
        self, roundoff: float, *, numbers_alone: bool = False, sums: Sums = "as narrow"
    ) -> Iterator[dict[fx.Node, object]]:
        """The same several times, each with every operand and every result moved by one rounding, or with the numbers
        alone that stand in the graph."""
        moves = [_by_turns(signs) for signs in _SIGNS] + [_drawn(seed) for seed in range(_DRAWS)]
        for move in moves:
            yield self._run(move, roundoff, numbers_alone=numbers_alone, sums=sums)

    def disturbed_one_by_one(self, roundoff: float) -> Iterator[dict[fx.Node, object]]:
        """The same with one operand or result moved at a time, all others as they are: what each does to a number cannot be
        cancelled there by what another does. None where sums are among the nodes, each of whose terms moves by itself."""
        if len(self.computing) < 2 or any(
            nature_of_node(node) in ("sums", "normalizes") for node in self.nodes
        ):
            return
        calls = itertools.count()

        def counted(value: Tensor, _size: Tensor) -> Tensor:
            next(calls)
            return value

        self._run(counted, roundoff)
        for place in range(next(calls)):
            yield self._run(_alone(place), roundoff)

    @torch.no_grad()
    def _run(
        self, move: Move | None, roundoff: float, *, numbers_alone: bool = False, sums: Sums = "as narrow"
    ) -> dict[fx.Node, object]:
        values: dict[fx.Node, object] = {}
        decided = self.decides
        for node, value in self.leaves.items():
            if move is None or numbers_alone or (decided and is_whole(value, 1 / roundoff)):
                values[node] = value
            else:
                values[node] = _moved(value, move, roundoff)
        for node in self.nodes:
            call = Call(node)
            result = call.wide(values, self._number(node, move, roundoff))
            if move is not None and not _are_alike(result, node.meta.get("val")):
                plain = call.wide(values, constant_number(node, self.stored))
                if not _are_alike(result, plain):  # a number decided how much there is
                    result = plain
            if (
                move is not None
                and not numbers_alone
                and nature_of_node(node) != "moves"
                and not decides(node)
                and not is_exact(node, values, result, roundoff)
            ):
                result = _moved(result, move, roundoff, _added_up(call, values, result, sums))
                result = _miscounted(result, node, values, move, roundoff, in_order=sums == "in order")
            values[node] = result
        return values

    def _number(self, node: fx.Node, move: Move | None, roundoff: float) -> Callable[[float], float] | None:
        constant = constant_number(node, self.stored)
        if move is None or "upsample" in operator_name(node.target):  # a factor that decides places
            return constant

        def moved(number: float) -> float:
            tensor = torch.tensor(number if constant is None else constant(number), dtype=torch.float64)
            return float(move(tensor, roundoff * tensor.abs()))

        return moved


def _bounded(value: object, largest: float, instead: float) -> object:
    """With ``instead``, and their sign, for finite numbers that are larger; the value itself if none is."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    beyond = value.isfinite() & (value.abs() > largest)
    return torch.where(beyond, value.sign() * instead, value) if bool(beyond.any()) else value


def _are_alike(value: object, other: object) -> bool:
    """Whether both are of one shape, as far as they have one; a trace's own may be of any batch."""
    return not (isinstance(value, Tensor) and isinstance(other, Tensor)) or value.shape == other.shape


def _moved(value: object, move: Move, roundoff: float, size: Tensor | None = None) -> object:
    """Every number moved by a rounding of itself, or of ``size`` where that is larger; the parts of a complex one by a rounding
    of its magnitude, for a part of a product is a sum in which others cancel."""
    if isinstance(value, Tensor) and value.is_complex():
        parts = torch.view_as_real(value.resolve_conj())
        moved = _moved(parts, move, roundoff, value.abs()[..., None].expand_as(parts))
        assert isinstance(moved, Tensor)
        return torch.view_as_complex(moved.contiguous())
    if isinstance(value, Tensor) and value.is_floating_point():
        own = value.abs() if size is None else torch.maximum(value.abs(), size)
        return torch.where(value.isfinite(), move(value, roundoff * own), value)
    if isinstance(value, (list, tuple)):
        return [_moved(item, move, roundoff) for item in value]
    return value


def _added_up(call: Call, values: Mapping[fx.Node, object], result: object, sums: Sums) -> Tensor | None:
    """Of a sum, what is rounded in between, at each place: the sum of its terms' magnitudes, or a partial sum where what is
    lost before it is rounded is less."""
    if nature_of_node(call.node) != "sums":
        return None
    if sums == "wider":
        return partial_sums(call, values, result)
    found = call.wide({source: _magnitude(values[source]) for source in call.node.all_input_nodes})
    return found.abs() if isinstance(found, Tensor) and found.isfinite().all() else None


def partial_sums(call: Call, values: Mapping[fx.Node, object], result: object) -> Tensor | None:
    """About how large they are at each place where terms are taken in any order: (s^2 + sum(t^2))^(1/2). A layer's may begin with
    its bias b, as XNNPACK's do, and are then between b and s: s b more. None of an attention, whose terms are not what it is
    given."""
    name = operator_name(call.node.target)
    if name == "scaled_dot_product_attention" or not isinstance(result, Tensor):
        return None
    squares = call.wide({source: _squared(values[source]) for source in call.node.all_input_nodes})
    if not isinstance(squares, Tensor):
        return None
    if name in AVERAGES:  # each term is divided by their number, and squares only once
        squares = squares / terms(call.node, values)
    bias = _bias(call.node, values)
    begun = 0.0 if bias is None else (result * bias).abs()
    return (result.square() + squares.abs() + begun).sqrt()


def _bias(node: fx.Node, values: Mapping[fx.Node, object]) -> Tensor | None:
    """What a layer adds to each channel, shaped as its result is, with a batch or without; None of other operators, and of a
    layer without a bias."""
    bound = arguments(node) if node.target in (*LAYERS, *TRANSPOSED) else {}
    bias, weight = (values.get(bound.get(name)) for name in ("bias", "weight"))  # type: ignore[arg-type]
    if not isinstance(bias, Tensor) or not isinstance(weight, Tensor) or bias.ndim != 1 or weight.ndim <= 1:
        return None
    return bias.reshape(-1, *[1] * (weight.ndim - 2))


def _miscounted(
    result: object,
    node: fx.Node,
    values: Mapping[fx.Node, object],
    move: Move,
    roundoff: float,
    *,
    in_order: bool,
) -> object:
    """Of a normalization, also by what its mean and variance are off by."""
    found = statistics(node, values) if nature_of_node(node) == "normalizes" else None
    if found is None or not isinstance(result, Tensor):
        return result
    share, beside = found.moved(roundoff, in_order=in_order)
    sizes = result.abs() * share + beside * result.square().mean().sqrt()
    return move(result, sizes)


def _magnitude(value: object) -> object:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.abs()
    return [_magnitude(item) for item in value] if isinstance(value, (list, tuple)) else value


def _squared(value: object) -> object:
    return value.square() if isinstance(value, Tensor) and value.is_floating_point() else value


def _by_turns(signs: Sequence[float]) -> Move:
    turns = itertools.cycle(signs)
    return lambda value, size: value + next(turns) * size


def _alone(place: int) -> Move:
    """Of the values in the order that they are moved in, one."""
    calls = itertools.count()
    return lambda value, size: value + size if next(calls) == place else value


def _drawn(seed: int) -> Move:
    generator = torch.Generator().manual_seed(seed)

    def move(value: Tensor, size: Tensor) -> Tensor:
        drawn = torch.randint(0, 2, value.shape, generator=generator, dtype=torch.int8)
        return value + (2 * drawn - 1) * size

    return move
