"""Computing the lowered program in float64 beside a candidate's values, node by node.

Every node is computed twice: from the inputs alone, and *on the candidate's values*, where a node is given what the
candidate's own operator was given. The first says how far the candidate's value has drifted from the reference, the
second what its own operator did wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, fx

from ..formats.runners import Array
from ..source.origin import Origin
from ..source.trace import origin_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx.node import Argument

__all__ = ["Compared", "Drift", "walk"]

_aten = torch.ops.aten
_WITH_NUMBERS = (_aten.mul.Tensor, _aten.div.Tensor, _aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Scalar)
_NARROW_TYPES = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(frozen=True)
class Drift:
    """Values of one node: from the inputs alone, on the candidate's values, and the candidate's own."""

    reference: Tensor
    given_actual_inputs: Tensor
    candidate: Tensor


@dataclass(frozen=True)
class Compared:
    """A node whose value the candidate gives.

    ``group`` are the nodes that were computed on the way from the values before it (``reads``): the node itself, and
    nodes whose values the candidate does not give, because they are fused. ``permuted`` are nodes of the group that the
    candidate gives with their axes in another order: they are compared here, and not by themselves. ``operators`` are
    the types of the group's nodes.
    """

    node: str
    operator: str
    origin: Origin
    group: tuple[str, ...]
    permuted: tuple[str, ...]
    operators: tuple[str, ...]
    reads: tuple[str, ...]
    drift: Drift


def walk(
    program: ExportedProgram,
    inputs: Mapping[str, Array],
    candidate: Mapping[str, Array],
    *,
    stored: torch.dtype = torch.float32,
) -> Iterator[Compared]:
    """Give every node of the program that ``candidate`` has a value of the same shape for, in the order they run.

    ``inputs`` are the program's inputs in their order, ``candidate`` the candidate's values by the node that they are
    the value of. ``stored`` is the type in which the candidate keeps its constants: they are rounded to it, so that
    this rounding is not taken for an error. Values are freed when no node reads them any more. Raises what torch raises
    for a program that cannot be computed on these inputs.
    """
    state = _State(program, inputs, stored)
    permuted: set[fx.Node] = set()
    with torch.no_grad():
        for node in program.graph.nodes:
            if node.op != "call_function":
                continue
            reference, from_candidate = state.compute(node)
            group, reads = state.group(node)
            value = candidate.get(node.name)
            if (
                value is None
                or not (isinstance(reference, Tensor) and isinstance(from_candidate, Tensor))
                or tuple(reference.shape)
                != np.shape(value)  # the runtime keeps another value under this name
            ):
                state.enter(node, reference, from_candidate, group=group, reads=reads)
            elif _is_permuted(from_candidate, value):
                permuted.add(node)
                state.enter(node, reference, from_candidate, group=group, reads=reads)
            else:
                given = torch.from_numpy(np.array(value)).to(reference.dtype)
                state.enter(node, reference, given, group=(), reads=(node.name,))
                yield Compared(
                    node=node.name,
                    operator=str(node.target),
                    origin=origin_of(node),
                    group=tuple(item.name for item in group),
                    permuted=tuple(item.name for item in group if item in permuted),
                    operators=tuple(str(item.target) for item in group),
                    reads=reads,
                    drift=Drift(reference, from_candidate, given),
                )
            state.free(node)


# The difference, over the largest magnitude, that a permutation of axes must explain: far more than rounding.
_EXPLAINED = 1e-2


def _is_permuted(want: Tensor, value: Array) -> bool:
    """Whether the value is not the node's, but its numbers with axes of the same size exchanged: coremltools
    moves transposes past operators, which keep their names. It is then compared where it is next in place."""
    sizes = [size for size in want.shape if size > 1]
    if len(set(sizes)) == len(sizes) or not want.is_floating_point():
        return False
    got = torch.from_numpy(np.array(value)).to(want.dtype)
    bound = _EXPLAINED * float(want.abs().max())
    if not float((got - want).abs().max()) > bound:
        return False
    return any(
        tuple(want.permute(order).shape) == tuple(want.shape)
        and float((got - want.permute(order)).abs().max()) <= bound
        for order in itertools.permutations(range(want.ndim))
    )


class _State:
    """What is known at a place of the program: both values of each node, and what each was made from since
    the last value that could be compared."""

    def __init__(self, program: ExportedProgram, inputs: Mapping[str, Array], stored: torch.dtype) -> None:
        self._stored = stored
        self._reference: dict[fx.Node, object] = {}
        self._from_candidate: dict[fx.Node, object] = {}
        self._groups: dict[fx.Node, tuple[fx.Node, ...]] = {}
        self._reads: dict[fx.Node, tuple[str, ...]] = {}
        self._uses = {node: len(node.users) for node in program.graph.nodes}
        for node, value in _placeholders(program, inputs, stored):
            self.enter(node, value, value, group=(), reads=())

    def enter(
        self,
        node: fx.Node,
        reference: object,
        from_candidate: object,
        *,
        group: tuple[fx.Node, ...],
        reads: tuple[str, ...],
    ) -> None:
        self._reference[node], self._from_candidate[node] = reference, from_candidate
        self._groups[node], self._reads[node] = group, reads

    def compute(self, node: fx.Node) -> tuple[object, object]:
        """The node's value from the inputs alone, and its value on the candidate's values."""
        return _call(node, self._reference, self._stored), _call(node, self._from_candidate, self._stored)

    def group(self, node: fx.Node) -> tuple[tuple[fx.Node, ...], tuple[str, ...]]:
        nodes = dict.fromkeys(item for source in node.all_input_nodes for item in self._groups[source])
        reads = dict.fromkeys(name for source in node.all_input_nodes for name in self._reads[source])
        return (*nodes, node), tuple(reads)

    def free(self, node: fx.Node) -> None:
        for source in node.all_input_nodes:
            self._uses[source] -= 1
            if not self._uses[source]:
                del self._reference[source], self._from_candidate[source]


def _call(node: fx.Node, values: Mapping[fx.Node, object], stored: torch.dtype) -> object:
    """The node on these values. A type that the program asks for is widened, as everything else is; a number
    it multiplies or adds is a constant, and rounded as such."""
    lookup = cast("Callable[[fx.Node], Argument]", values.__getitem__)
    args = [_widened_types(item) for item in fx.map_arg(node.args, lookup)]
    kwargs = {name: _widened_types(item) for name, item in fx.map_arg(node.kwargs, lookup).items()}
    if node.target in _WITH_NUMBERS:
        args = [_rounded(item, stored) if isinstance(item, float) else item for item in args]
    assert callable(node.target)
    return node.target(*args, **kwargs)


def _rounded(number: float, stored: torch.dtype) -> float:
    return float(torch.tensor(number, dtype=torch.float64).to(stored))


def _widened_types(value: object) -> object:
    if isinstance(value, torch.dtype):
        return torch.float64 if value in _NARROW_TYPES else value
    if isinstance(value, (tuple, list)):
        return type(value)(_widened_types(item) for item in value)
    if isinstance(value, dict):
        return {key: _widened_types(item) for key, item in value.items()}
    return value


def _placeholders(
    program: ExportedProgram, inputs: Mapping[str, Array], stored: torch.dtype
) -> Iterator[tuple[fx.Node, object]]:
    """Weights and constants rounded to ``stored``, inputs in their order, all in float64."""
    signature = program.graph_signature
    owned = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    given = iter(inputs.values())
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        if node.name in owned:
            value = program.state_dict.get(owned[node.name])
            value = program.constants[owned[node.name]] if value is None else value
            value = value.detach()
            value = value.to(stored) if value.is_floating_point() else value
        else:
            value = torch.from_numpy(np.array(next(given)))
        yield node, value.double() if value.is_floating_point() else value
