"""Computing the lowered program in float64 beside a candidate's values, node by node.

Every node is computed twice: from the inputs alone, and *on the candidate's values*, where a node is given what the
candidate's own operator was given. The first says how far the candidate's value has drifted from the reference, the
second what its own operator did wrong. What depends on no input has the numbers that it has in the model's own types.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, fx

from cloformer.io.words import reason_of

from ..formats.runners import Array
from ..reference.replay import as_traced
from ..reference.wide import Call, widened
from ..source.origin import Origin
from ..source.trace import origin_of
from .group import Group, constant_number

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["Compared", "Drift", "Walk", "largest_finite"]


@dataclass(frozen=True)
class Drift:
    """Values of one node: from the inputs alone (None if that could not be computed), on the candidate's values, and the
    candidate's own: but where the candidate's values give no number and the model has one, no number either, since what a
    runtime makes of those (a bound of "not a number" is zero in one) is no fault of the operator's."""

    reference: Tensor | None
    given_actual_inputs: Tensor
    candidate: Tensor


@dataclass(frozen=True)
class Compared:
    """A node whose value the candidate gives.

    ``group`` are the nodes that were computed on the way from the values before it (``reads``): the node itself, and
    nodes whose values the candidate does not give, because they are fused. ``permuted`` are nodes of the group that the
    candidate gives with their axes in another order: they are compared here, and not by themselves.
    """

    node: str
    operator: str
    origin: Origin
    group: Group
    permuted: tuple[str, ...]
    reads: tuple[str, ...]
    drift: Drift

    @property
    def names(self) -> tuple[str, ...]:
        """The group's nodes by name."""
        return tuple(node.name for node in self.group.nodes)


class Walk:
    """Every node of the program that ``candidate`` has a value of the same shape for, in the order they run.

    ``inputs`` are the program's inputs in their order, ``candidate`` the candidate's values by the node that they are
    the value of. ``stored`` is the type in which the candidate keeps its constants: they are rounded to it, so that
    this rounding is not taken for an error. Those ``given`` are nodes whose values are taken as the candidate has them and are not
    compared: another run of the candidate tells them. What cannot be computed is in ``failed`` afterwards, by node with the reason;
    what follows it is compared from where the candidate's values say what it was given.
    """

    def __init__(
        self,
        program: ExportedProgram,
        inputs: Mapping[str, Array],
        candidate: Mapping[str, Array],
        *,
        stored: torch.dtype = torch.float32,
        given: Collection[str] = (),
    ) -> None:
        self._program, self._candidate, self._stored = program, candidate, stored
        self._given = given
        self.failed: dict[str, str] = {}
        self._reference: dict[fx.Node, object] = {}
        self._from_candidate: dict[fx.Node, object] = {}
        self._groups: dict[fx.Node, Group] = {}
        self._reads: dict[fx.Node, tuple[str, ...]] = {}
        self._constants: dict[fx.Node, object] = {}  # in the model's own types
        self._made: dict[
            fx.Node, Group
        ] = {}  # of those that are computed, how: a candidate may do it too, and rounds on the way
        self._inputs = iter(inputs.values())

    @torch.no_grad()
    def __iter__(self) -> Iterator[Compared]:
        uses = {node: len(node.users) for node in self._program.graph.nodes}
        owned = _owned(self._program)
        permuted: set[fx.Node] = set()
        for node in self._program.graph.nodes:
            if node.op == "placeholder" and node.name in owned:
                self._constants[node] = owned[node.name]
            elif node.op == "placeholder":
                value = widened(
                    as_traced(torch.from_numpy(np.array(next(self._inputs))), node.meta.get("val"))
                )
                self._enter(node, value, value)
            elif node.op == "get_attr":
                self._constants[node] = getattr(self._program.graph_module, str(node.target))
                self._enter(node, self._constants[node], self._constants[node])
            elif node.op == "call_function":
                self._widen_what_is_read(node)
                found = self._step(node, permuted)
                if found is not None:
                    yield found
                for source in node.all_input_nodes:
                    uses[source] -= 1
                    if not uses[source]:
                        del self._reference[source], self._from_candidate[source]
                        del self._groups[source], self._reads[source]
                        self._constants.pop(source, None)
                        self._made.pop(source, None)

    def _widen_what_is_read(self, node: fx.Node) -> None:
        """The constants of the program that no operator has read yet: all of them in float64 are twice the model's size."""
        for source in node.all_input_nodes:
            if source not in self._reference:
                value = self._as_stored(self._constants[source])
                self._enter(source, value, value)

    def _as_stored(self, constant: object) -> object:
        """A constant in float64, rounded as the candidate keeps it: what the type ends before is kept in the model's own."""
        if isinstance(constant, Tensor) and constant.is_floating_point():
            rounded = constant.to(self._stored)
            ends = bool((rounded.isinf() & constant.isfinite()).any())
            return (constant if ends else rounded).double()
        if isinstance(constant, (list, tuple)):
            return [self._as_stored(item) for item in constant]
        return constant

    def _enter(
        self,
        node: fx.Node,
        reference: object,
        from_candidate: object,
        *,
        group: Group | None = None,
        reads: tuple[str, ...] = (),
    ) -> None:
        self._reference[node], self._from_candidate[node] = reference, from_candidate
        self._groups[node], self._reads[node] = group or Group(self._stored), reads

    def _step(self, node: fx.Node, permuted: set[fx.Node]) -> Compared | None:
        """Compute a node both ways, and compare it if the candidate gives it."""
        group, reads = self._group(node)
        value = self._candidate.get(node.name)
        reference, from_candidate = self._computed(node, value is not None)
        if node.name in self._given and isinstance(reference, Tensor) and value is not None:
            value = _with_axes_of(reference, value)
            if value is not None:
                taken = torch.from_numpy(np.array(value)).to(reference.dtype)
                self._enter(node, reference, taken, reads=(node.name,))
                return None
        if isinstance(from_candidate, _Unknown):
            if value is None or not isinstance(node.meta.get("val"), Tensor):
                self._enter(node, reference, from_candidate, group=group, reads=reads)
            else:  # what follows is computed from the candidate's own
                given = widened(torch.from_numpy(np.array(value)))
                self._enter(node, reference, given, reads=(node.name,))
            return None
        if value is not None:
            value = _with_axes_of(from_candidate, value)
        if value is None:
            is_constant = node in self._constants
            if is_constant:
                self._made[node] = group
            self._enter(node, reference, from_candidate, group=None if is_constant else group, reads=reads)
            return None
        assert isinstance(from_candidate, Tensor)
        if _is_permuted(from_candidate, value):
            if any(user.op != "output" for user in node.users):
                permuted.add(node)
                self._enter(node, reference, from_candidate, group=group, reads=reads)
                return None
            value = _nearest(from_candidate, value)  # nothing comes after it
        given = torch.from_numpy(np.array(value)).to(from_candidate.dtype)
        self._enter(node, reference, given, reads=(node.name,))
        return Compared(
            node=node.name,
            operator=str(node.target),
            origin=origin_of(node),
            group=group,
            permuted=tuple(item.name for item in group.nodes if item in permuted),
            reads=reads,
            drift=_drift(reference, from_candidate, given),
        )

    def _computed(self, node: fx.Node, is_given: bool) -> tuple[object, object]:
        """The node's value from the inputs alone, and its value on the candidate's values."""
        call = Call(node)
        if all(source in self._constants for source in node.all_input_nodes):
            own = self._attempt(node, lambda: call.own(self._constants))
            if not isinstance(own, _Unknown):
                self._constants[node] = own
                # A candidate that computes it by itself has rounded on the way.
                return self._as_stored(own), widened(own) if is_given else self._as_stored(own)
            return own, own
        number = constant_number(node, self._stored)
        reference = self._attempt(node, lambda: call.wide(self._reference, number), self._reference)
        from_candidate = self._attempt(
            node, lambda: call.wide(self._from_candidate, number), self._from_candidate
        )
        return reference, from_candidate

    def _attempt(
        self, node: fx.Node, call: Callable[[], object], values: Mapping[fx.Node, object] | None = None
    ) -> object:
        """What the call gives; unknown if an operand is, or if torch cannot compute it, which is noted."""
        if values is not None and any(isinstance(values[item], _Unknown) for item in node.all_input_nodes):
            return _UNKNOWN
        try:
            return call()
        except Exception as error:  # an operator of torch raises what it likes, and one does not end the rest
            self.failed.setdefault(node.name, reason_of(error))
            return _UNKNOWN

    def _group(self, node: fx.Node) -> tuple[Group, tuple[str, ...]]:
        """The nodes that are computed with this one, with what they are computed from."""
        nodes: dict[fx.Node, None] = {}
        leaves: dict[fx.Node, object] = {}
        reads: dict[str, None] = {}
        is_constant = all(source in self._constants for source in node.all_input_nodes)
        for source in node.all_input_nodes:
            before = self._made.get(source, self._groups[source]) if is_constant else self._groups[source]
            nodes |= dict.fromkeys(before.nodes)
            leaves |= before.leaves
            reads |= dict.fromkeys(self._reads[source])
            if not before.nodes:
                leaves[source] = self._from_candidate[source]
        return Group(self._stored, (*nodes, node), leaves), tuple(reads)


def _drift(reference: object, from_candidate: Tensor, given: Tensor) -> Drift:
    if not isinstance(reference, Tensor):
        return Drift(None, from_candidate, given)
    is_lost = from_candidate.isnan() & ~reference.isnan()
    return Drift(reference, from_candidate, torch.where(is_lost, from_candidate, given))


class _Unknown:
    """Stands for a value that could not be computed."""


_UNKNOWN = _Unknown()


def _owned(program: ExportedProgram) -> dict[str, Tensor]:
    """Weights and constants by their placeholder's name."""
    signature = program.graph_signature
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    found = {}
    for place, name in names.items():
        value = program.state_dict.get(name)
        found[place] = (program.constants[name] if value is None else value).detach()
    return found


def _with_axes_of(want: object, value: Array) -> Array | None:
    """The value with its axes in the order of the node's; None if it cannot be the node's, whatever their order: a runtime may
    keep another one under its name. coremltools moves transposes past operators, whose values are then of another shape."""
    if not isinstance(want, Tensor):
        return None
    got, shape = np.asarray(value), tuple(want.shape)
    if got.shape == shape:
        return got
    return _nearest(want, got) if sorted(got.shape) == sorted(shape) else None


def _nearest(want: Tensor, got: Array) -> Array:
    """The value with its axes in that order of those which give the node's shape in which it is nearest to what it should be."""
    shape = tuple(want.shape)
    orders = [
        order
        for order in itertools.permutations(range(want.ndim))
        if tuple(got.shape[axis] for axis in order) == shape
    ]
    turned: list[Array] = [got.transpose(order) for order in orders]
    return min(turned, key=lambda item: _distance(item, want))


def _distance(value: Array, want: Tensor) -> float:
    """The largest difference; between what is not finite in one alone, infinite."""
    got = torch.from_numpy(value).to(want.dtype)
    same = (got == want) | (got.isnan() & want.isnan()) if want.is_floating_point() else got == want
    difference = torch.where(same, 0.0, (got.double() - want.double()).abs())
    return float(torch.nan_to_num(difference, nan=torch.inf, posinf=torch.inf).max())


# The difference, over the largest magnitude, that a permutation of axes must explain: far more than rounding.
_EXPLAINED = 1e-2


def _is_permuted(want: Tensor, value: Array) -> bool:
    """Whether the value is not the node's, but its numbers with axes of the same size exchanged: coremltools
    moves transposes past operators, which keep their names. It is then compared where it is next in place."""
    sizes = [size for size in want.shape if size > 1]
    if len(set(sizes)) == len(sizes) or not (want.is_floating_point() or want.dtype is torch.int8):
        return False
    # Rounded numbers may be a step off: they differ in more than 8 bits hold.
    wanted = want if want.is_floating_point() else want.float()
    got = torch.from_numpy(np.array(value)).to(wanted.dtype)
    return _is_exchanged(wanted, got, _EXPLAINED * largest_finite(wanted))


def _is_exchanged(want: Tensor, got: Tensor, bound: float) -> bool:
    if _is_near(got, want, bound):
        return False
    return any(
        tuple(want.permute(order).shape) == tuple(want.shape) and _is_near(got, want.permute(order), bound)
        for order in itertools.permutations(range(want.ndim))
    )


def _is_near(got: Tensor, want: Tensor, bound: float) -> bool:
    return bool(((got == want) | ((got - want).abs() <= bound)).all())


def largest_finite(tensor: Tensor) -> float:
    """The largest finite magnitude; 0 if there is none."""
    if tensor.is_floating_point() and tensor.numel():
        least, most = (float(end) for end in tensor.aminmax())
        if math.isfinite(least - most):  # nothing is copied
            return max(-least, most)
    finite = tensor[tensor.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0
