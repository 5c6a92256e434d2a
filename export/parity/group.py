"""Nodes that are computed together, because a candidate gives no value between them; and how well they are determined.

A result is as good as what it is made from: where a normalization is left almost no variance, where a sum cancels, where
a number lies at the edge of a comparison, the last bit of an operand decides more than the last bit of the result. So a
group can be computed again with everything in it moved by a rounding. What moves the result that far is no fault of
whoever computed it (backward error: Higham, Accuracy and Stability of Numerical Algorithms, section 1.5).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx

from ..reference.conditioning import statistics
from ..reference.natures import decides, nature_of, operator_name
from ..reference.wide import Call

__all__ = ["Group", "constant_number"]

_aten = torch.ops.aten
_WITH_NUMBERS = (_aten.mul.Tensor, _aten.div.Tensor, _aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Scalar)

_DRAWS = 8
_SIGNS = ((1.0,), (-1.0,), (1.0, -1.0), (-1.0, 1.0))  # of one value after the other: for comparisons of two

Move = Callable[[Tensor, Tensor], Tensor]  # of a tensor, by so much at each place


def constant_number(node: fx.Node, stored: torch.dtype) -> Callable[[float], float] | None:
    """A number that the operator multiplies or adds is a constant, and rounded as a candidate stores it."""
    if node.target not in _WITH_NUMBERS:
        return None
    return lambda number: float(torch.tensor(number, dtype=torch.float64).to(stored))


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
        return [node for node in self.nodes if nature_of(node.target) != "moves"]

    @property
    def is_simple(self) -> bool:
        """Whether at most one node rounds, and that but once."""
        kinds = [nature_of(node.target) for node in self.computing]
        scales = any(node.kwargs.get("alpha", 1) != 1 for node in self.nodes)  # a product is rounded as well
        return not self.decides and not scales and kinds in ([], ["rounds once"])

    def result(self, values: Mapping[fx.Node, object]) -> object:
        """The value that is compared."""
        value = values[self.nodes[-1]]
        return value if self.piece is None else value[self.piece]  # type: ignore[index]

    def computed(self) -> dict[fx.Node, object]:
        """The value of every node."""
        return self._run(None, 0.0)

    def disturbed(
        self, roundoff: float, *, numbers_alone: bool = False, in_order: bool = False
    ) -> Iterator[dict[fx.Node, object]]:
        """The same several times, each with every operand and every result moved by one rounding, or with the numbers
        alone that stand in the graph. ``in_order``: sums are taken one addition after the other."""
        moves = [_by_turns(signs) for signs in _SIGNS] + [_drawn(seed) for seed in range(_DRAWS)]
        for move in moves:
            yield self._run(move, roundoff, numbers_alone=numbers_alone, in_order=in_order)

    @torch.no_grad()
    def _run(
        self, move: Move | None, roundoff: float, *, numbers_alone: bool = False, in_order: bool = False
    ) -> dict[fx.Node, object]:
        values: dict[fx.Node, object] = {}
        for node, value in self.leaves.items():
            values[node] = value if move is None or numbers_alone else _moved(value, move, roundoff)
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
                and nature_of(node.target) != "moves"
                and not decides(node)
            ):
                result = _moved(result, move, roundoff, _added_up(call, values))
                result = _miscounted(result, node, values, move, roundoff, in_order=in_order)
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


def _are_alike(value: object, other: object) -> bool:
    """Whether both are of one shape, as far as they have one; a trace's own may be of any batch."""
    return not (isinstance(value, Tensor) and isinstance(other, Tensor)) or value.shape == other.shape


def _moved(value: object, move: Move, roundoff: float, size: Tensor | None = None) -> object:
    """Every number moved by a rounding of itself, or of ``size`` where that is larger."""
    if isinstance(value, Tensor) and value.is_floating_point():
        own = value.abs() if size is None else torch.maximum(value.abs(), size)
        return torch.where(value.isfinite(), move(value, roundoff * own), value)
    if isinstance(value, (list, tuple)):
        return [_moved(item, move, roundoff) for item in value]
    return value


def _added_up(call: Call, values: Mapping[fx.Node, object]) -> Tensor | None:
    """Of a sum, the sum of its terms' magnitudes: what is lost in between is a share of that, and not of the sum."""
    if nature_of(call.node.target) != "sums":
        return None
    found = call.wide({source: _magnitude(values[source]) for source in call.node.all_input_nodes})
    return found.abs() if isinstance(found, Tensor) and found.isfinite().all() else None


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
    found = statistics(node, values) if nature_of(node.target) == "normalizes" else None
    if found is None or not isinstance(result, Tensor):
        return result
    share, beside = found.moved(roundoff, in_order=in_order)
    sizes = result.abs() * share + beside * result.square().mean().sqrt()
    return move(result, sizes)


def _magnitude(value: object) -> object:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.abs()
    return [_magnitude(item) for item in value] if isinstance(value, (list, tuple)) else value


def _by_turns(signs: Sequence[float]) -> Move:
    turns = itertools.cycle(signs)
    return lambda value, size: value + next(turns) * size


def _drawn(seed: int) -> Move:
    generator = torch.Generator().manual_seed(seed)

    def move(value: Tensor, size: Tensor) -> Tensor:
        drawn = torch.randint(0, 2, value.shape, generator=generator, dtype=torch.int8)
        return value + (2 * drawn - 1) * size

    return move
