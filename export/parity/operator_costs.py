"""Where a precision loses: what rounding the numbers of each operator does to the outputs.

Two graphs are computed on the same inputs, the model before any number is made small and after. Beside them each operator is
computed once more, with its numbers made small, on what it is given in the first: so its error is its own. What of that arrives
at the outputs is told, to first order, by their derivative with respect to the operator's value: an output's noise is ``J e`` of
an operator's error ``e``, and its energy is the mean of ``(u . J e)**2`` over directions ``u`` of independent signs
(M. Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1989), for all operators by one backward
computation. Of few numbers every one is a direction, and the energy is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx

from ..passes.stored import rounded_value
from ..reference.cases import Inputs
from ..source.arrays import Array
from ..source.trace import origin_of
from .cost import judged_on

if TYPE_CHECKING:
    from ..artifact.record import RequestRecord
    from ..reference.cases import Case
    from ..reference.references import References
    from ..reference.replay import Replay
    from ..source.resolve import Source

__all__ = ["OperatorCost", "costs_of_operators", "operator_costs"]

_INPUTS = 4
_DIRECTIONS = 16
_SEED = 0


@dataclass(frozen=True)
class OperatorCost:
    """Of one operator whose weights or value are rounded: ``snr_db``, its value beside the one before numbers are made small, with
    all that was lost before it; and ``share``, what its own rounding adds to the outputs' noise, of what all operators add; None
    where the outputs have no derivative."""

    node: str
    operator: str
    module: str
    location: str
    snr_db: float
    share: float | None

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"snr_db": self.snr_db if math.isfinite(self.snr_db) else None}


def costs_of_operators(
    asked: RequestRecord, source: Source, references: References, cases: Sequence[Case]
) -> list[OperatorCost]:
    """Of an artifact whose numbers are made small, on the first photographs; of another, none."""
    if not asked.precision.are_weights_compressed:
        return []
    before, after = references.rewritten(source, asked), references.written(source, asked)
    own = Inputs.of_source(source)
    judged = judged_on(cases, lambda case: case)[:_INPUTS]
    inputs = [before.fed(case.for_reference(own)) for case in judged]
    return operator_costs(before.twin.replay, after.twin.replay, inputs)


def operator_costs(
    before: Replay, after: Replay, inputs: Sequence[Mapping[str, Array]]
) -> list[OperatorCost]:
    """Of every operator whose own numbers are made small, over ``inputs``, the largest share first. ``after`` is ``before``
    with those made small: nodes of one name are the same operator."""
    energies: dict[str, _Energy] = {}
    for given in inputs:
        whole = _whole(before, given)
        errors, lost = _errors(after, given, whole)
        arriving = _arriving(
            whole, [whole[node.name] for node in before.outputs if node.name in whole], errors
        )
        for name in errors:
            energies.setdefault(name, _Energy()).add(_energy_of(whole[name]), lost[name], arriving[name])
    total = math.fsum(item.arriving for item in energies.values())
    nodes = {node.name: node for node in (*before.placeholders, *before.computed)}
    found = [_cost(nodes[name], item, total) for name, item in energies.items()]
    return sorted(found, key=lambda item: -(item.share or 0.0))


@dataclass
class _Energy:
    """Sums over the inputs: of the value, of its distance from the one after, and of what arrives at the outputs."""

    value: float = 0.0
    lost: float = 0.0
    arriving: float = 0.0

    def add(self, value: float, lost: float, arriving: float) -> None:
        self.value += value
        self.lost += lost
        self.arriving += arriving


def _cost(node: fx.Node, energy: _Energy, total: float) -> OperatorCost:
    origin = origin_of(node)
    return OperatorCost(
        node=node.name,
        operator="input" if node.op == "placeholder" else str(node.target),
        module=origin.module,
        location=origin.location,
        snr_db=10 * math.log10(max(energy.value, 1e-300) / energy.lost) if energy.lost else math.inf,
        share=energy.arriving / total if 0 < total < math.inf else None,
    )


@torch.enable_grad()
def _whole(before: Replay, inputs: Mapping[str, Array]) -> dict[str, object]:
    """Every value of the graph before by its node's name, ready for derivatives."""
    values: dict[fx.Node, object] = dict(before.constants)
    fed = before.fed_as_traced(inputs)
    for node in (*before.placeholders, *before.computed):
        value = fed[node] if node in fed else before.computed[node].own(values)
        if isinstance(value, Tensor) and value.is_floating_point() and not value.requires_grad:
            value = value.detach().requires_grad_()
        values[node] = value
    return {node.name: value for node, value in values.items() if node not in before.constants}


@torch.no_grad()
def _errors(
    after: Replay, inputs: Mapping[str, Array], whole: Mapping[str, object]
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The error that each operator makes by itself, by node, and the energy of what is lost at it with all before."""
    actual: dict[fx.Node, object] = dict(after.constants)
    alone: dict[fx.Node, object] = dict(after.constants)
    fed = after.fed_as_traced(inputs)
    errors: dict[str, Tensor] = {}
    lost: dict[str, float] = {}
    for node in (*after.placeholders, *after.computed):
        got = actual[node] = fed[node] if node in fed else after.computed[node].own(actual)
        own = alone[node] = fed[node] if node in fed else after.computed[node].own(alone)
        rounded = rounded_value(node)
        name = node.name if rounded is None else rounded.name
        want = whole.get(name)
        if isinstance(want, Tensor) and want.is_floating_point():
            assert isinstance(got, Tensor) and isinstance(own, Tensor)
            want = alone[node] = want.detach()
            lost[name] = _energy_of(got - want)
            error = own - want
            if bool(error.any()):
                errors[name] = errors[name] + error if name in errors else error
        for source in after.last_read.get(node, ()):
            del actual[source], alone[source]
    return errors, lost


def _energy_of(value: object) -> float:
    assert isinstance(value, Tensor)
    return float(value.detach().double().square().sum())


def _arriving(
    values: Mapping[str, object], outputs: Sequence[object], errors: Mapping[str, Tensor]
) -> dict[str, float]:
    """Of each operator's error, the energy of what it makes of the outputs, as a share of each output's own."""
    found = dict.fromkeys(errors, 0.0)
    judged = [item for item in outputs if isinstance(item, Tensor) and item.requires_grad]
    if not judged or not errors:
        return found
    read = [value for name in errors if isinstance(value := values[name], Tensor)]
    for signs, weight in _directions(judged):
        gradients = torch.autograd.grad(judged, read, signs, retain_graph=True, allow_unused=True)
        for (name, error), gradient in zip(errors.items(), gradients, strict=True):
            if gradient is not None:
                found[name] += weight * float((gradient * error).double().sum()) ** 2
    return found


def _directions(outputs: Sequence[Tensor]) -> Iterator[tuple[list[Tensor], float]]:
    """Directions, each a tensor for every output and over its norm, and what they count: unit vectors of few numbers, signs of many."""
    norms = [float(item.detach().double().norm()) or 1.0 for item in outputs]
    total = sum(item.numel() for item in outputs)
    if total <= _DIRECTIONS:
        for flat in torch.eye(total):
            yield _cut(flat, outputs, norms), 1.0
        return
    drawn = torch.Generator().manual_seed(_SEED)
    for _ in range(_DIRECTIONS):
        flat = torch.randint(0, 2, (total,), generator=drawn).mul(2.0).sub(1.0)
        yield _cut(flat, outputs, norms), 1 / _DIRECTIONS


def _cut(flat: Tensor, outputs: Sequence[Tensor], norms: Sequence[float]) -> list[Tensor]:
    pieces = torch.split(flat, [item.numel() for item in outputs])
    return [
        (piece / norm).to(item.dtype).reshape(item.shape)
        for piece, item, norm in zip(pieces, outputs, norms, strict=True)
    ]
