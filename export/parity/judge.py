"""Whether one value of a candidate is right, given what its operator was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx

from ..passes.stored import NAMESPACE
from ..reference.natures import decides, is_in_half, nature_of_node, operator_name
from ..reference.near_one import is_near_one, lost_of_one
from ..reference.places import as_good, search_of
from ..source.precision import Precision
from .either_step import by_either_step
from .group import Group, Sums
from .statistics_apart import beside_statistics
from .sums import largest_partial, largest_rounded, least_lost, lost, lost_to_the_same, only_sum
from .tolerances import BACKWARD, ROUNDOFF, allowance
from .walk import Compared, largest_finite

__all__ = ["Judgement", "Types", "judge", "most_allowed"]

_FORMATS = {"float32": torch.float32, "float16": torch.float16}
# The smallest step of the format: what is smaller than it cannot be held to a share of itself.
_SMALLEST = {"float32": 2.0**-126, "float16": 2.0**-24}
# What gives an amount of amounts, or of numbers.
_AMOUNTS = {
    "_to_copy", "to", "add", "sub", "rsub", "mul", "div", "floor_divide", "neg", "abs", "sum", "clamp", "relu", "hardtanh",
    "maximum", "minimum", "amax", "amin", "view", "reshape", "permute", "transpose", "expand", "unsqueeze", "squeeze", "clone",
    "slice", "select", "cat", "stack", "floor", "ceil", "round", "trunc", "fix",
}  # fmt: skip


@dataclass(frozen=True)
class Types:
    """The types that a candidate computes in, keeps its constants in and adds up in, "float32" or "float16"; and of its whole
    numbers."""

    computed: str
    stored: str
    sums: str = "float32"
    whole: str = "int64"

    @classmethod
    def of(cls, precision: Precision) -> Types:
        """Of what a runtime computes as the format's specification says."""
        return cls(precision.activations, precision.constants)


@dataclass(frozen=True)
class Judgement:
    """``own_error`` is what the operator did wrong by itself, and ``tolerance`` what it may, both where the first is
    largest beside the second and over ``scale``, the largest finite magnitude; of integers and truths ``own_error`` is
    the share that is wrong, and nothing is allowed. ``flips`` are elements that are decided otherwise where a rounding
    decides. ``overflows``: the result is infinite, or the largest whole number, because the format ends before it."""

    own_error: float
    tolerance: float
    scale: float
    is_wrong: bool
    flips: int = 0
    overflows: bool = False


def judge(item: Compared, steps: int, types: Types) -> Judgement:
    """``steps`` are the operators of the written model that compute the value."""
    got, want = item.drift.candidate, item.drift.given_actual_inputs
    if any(map(is_in_half, item.group.nodes)):  # which a format may compute wider, and rounds otherwise
        types = replace(types, computed="float16")
    if not got.numel():
        return Judgement(0.0, 0.0, 1.0, is_wrong=False)
    if not want.is_floating_point():
        return _judge_decisions(item, types)
    share, smallest = _share(item, steps, types), _SMALLEST[types.computed]
    limit = torch.finfo(_FORMATS[types.computed]).max
    sizes = _sizes(item.group, want, limit).clamp(min=smallest / max(share, ROUNDOFF[types.computed]))
    scale = float(sizes.max())
    error, overflows = _error(got, want, limit, share)
    if types.sums == "float16" and not bool(got.isfinite().all()) and _ends_inside(item.group):
        error[~got.isfinite() & want.isfinite()] = 0.0
        overflows = True
    allowed = share * sizes + smallest + _of_one(item.group, types)
    if not bool((error <= allowed).all()):
        ended = _ended(item, limit, share)
        error[ended] = 0.0
        overflows |= bool(ended.any())
    flips = 0
    if not bool((error <= allowed).all()):
        extra = _more(item, steps, types) + _same(item, types) + _by_inputs(item, types)
        extra += by_either_step(item.group, want, BACKWARD * ROUNDOFF[types.computed])
        if item.group.decides:
            flips = int(((error > allowed) & (error <= allowed + extra)).sum())
        allowed += extra
        apart = beside_statistics(item.group, want, got) if types.sums == "float16" else None
        if apart is not None and bool((error <= allowed).all()):
            error, rounded = apart
            allowed = share * sizes + smallest + BACKWARD * ROUNDOFF[types.computed] * rounded
    place = _worst(error, allowed)
    own, bound = float(error.flatten()[place]), float(allowed.flatten()[place])
    return Judgement(
        own / scale, bound / scale, scale, is_wrong=not own <= bound, flips=flips, overflows=overflows
    )


def most_allowed(item: Compared, steps: int, types: Types) -> float:
    """The largest error of numbers that passes at any place, over the result's largest magnitude."""
    largest = largest_finite(item.drift.given_actual_inputs) or 1.0
    more = float(_more(item, steps, types).max()) + _same(item, types)
    return _share(item, steps, types) + more / largest


def _share(item: Compared, steps: int, types: Types) -> float:
    """What passes at any place, over the result's largest magnitude."""
    roundoff = ROUNDOFF[types.computed]
    kinds = [nature_of_node(node) for node in item.group.nodes]
    return allowance(kinds, steps, types.computed) * roundoff + _within(item.group, types)


def _of_one(group: Group, types: Types) -> float:
    """What the group's operators lose of one, whatever their result is."""
    nodes = [node for node in group.nodes if is_near_one(node, types.computed)]
    if not nodes:
        return 0.0
    values = {**group.leaves, **group.computed()}
    return ROUNDOFF[types.computed] * sum(lost_of_one(node, values, types.computed) for node in nodes)


def _within(group: Group, types: Types) -> float:
    """What the group's sums lose where nothing cancels, over the result's largest magnitude. What sums lose that are kept as
    narrow as their results is judged by what moves them (:func:`_more`)."""
    return 0.0 if types.sums == "float16" else ROUNDOFF[types.sums] * least_lost(group)


def _more(item: Compared, steps: int, types: Types) -> Tensor:
    """What passes besides at each place.

    Where one operator of the written model computes the value, all that it was given is known: a sum may lose what its
    partial sums lose, what rounds once or moves numbers may hold numbers of its own that are rounded, and others are off by
    what is rounded inside them, in the type that sums are kept in. Where several do, one that is written out has its partial
    sums, or its mean, rounded to the type that is computed in. Elsewhere what was given and what was rounded in between is
    known to a rounding of that type.
    """
    want, group = item.drift.given_actual_inputs, item.group
    if steps > 1:
        roundoff = ROUNDOFF[types.computed]
        if ROUNDOFF[types.sums] < roundoff:
            rounded = largest_rounded(group)
            if rounded is not None:
                return torch.full_like(want, BACKWARD * roundoff * rounded)
        return BACKWARD * _spread(group, want, roundoff, sums=_sums(types, roundoff))
    summed = only_sum(group)
    if summed is not None:
        lost_here = ROUNDOFF[types.sums] * lost(group, summed)
        more = max(lost_here - _within(group, types) * largest_finite(want), 0.0)
        extra = torch.full_like(want, more)
        if types.sums == "float16":  # products are rounded too, before they are added
            extra += BACKWARD * _spread(group, want, ROUNDOFF[types.computed])
        return extra
    if group.is_simple:
        return BACKWARD * _spread(group, want, ROUNDOFF[types.computed], numbers_alone=True)
    inside = ROUNDOFF[types.sums if len(group.computing) == 1 else types.computed]
    return BACKWARD * _spread(group, want, inside, sums=_sums(types, inside))


def _sums(types: Types, roundoff: float) -> Sums:
    """How sums are kept where everything is moved by ``roundoff``."""
    if types.sums == "float16":
        return "in order"
    return "wider" if ROUNDOFF[types.sums] < roundoff else "as narrow"


def _by_inputs(item: Compared, types: Types) -> Tensor:
    """What passes besides at each place, because what is read is there in float32 and is rounded on its way to what computes
    in float16: an input, or what a format computes in float32 alone. It is rounded once for all that read it, and that is
    counted as a step of one of them."""
    want, computed = item.drift.given_actual_inputs, _FORMATS[types.computed]
    leaves = dict(item.group.leaves)
    for node, value in item.group.leaves.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            leaves[node] = value.to(computed).to(value.dtype)
    if computed is torch.float32 or all(leaves[node] is value for node, value in item.group.leaves.items()):
        return torch.zeros_like(want)
    group = Group(item.group.stored, item.group.nodes, leaves, item.group.piece)
    found = group.result(group.computed())
    assert isinstance(found, Tensor)
    return torch.nan_to_num((found - want).abs(), nan=0.0, posinf=0.0)


def _same(item: Compared, types: Types) -> float:
    """What passes besides where sums are of mostly one number."""
    return ROUNDOFF[types.sums] * lost_to_the_same(item.group)


def _worst(error: Tensor, allowed: Tensor) -> int:
    ratio = torch.where(error == 0, 0.0, error / allowed.clamp(min=torch.finfo(torch.float64).tiny))
    return int(torch.nan_to_num(ratio, nan=torch.inf, posinf=torch.inf).argmax())


def _sizes(group: Group, want: Tensor, limit: float) -> Tensor:
    """What errors are shares of: the largest magnitude, and at most the format's. Where each number is rounded by itself, those
    near the end of the format, which masks are, say nothing of the others; of a stored weight each number is held to a share of
    itself, for a step of a channel that is small is nothing beside the largest of all."""
    if all(operator_name(node.target) == NAMESPACE for node in group.nodes):
        return want.abs()
    largest = min(largest_finite(want), limit)
    whole = torch.full_like(want, largest)
    if largest < limit / 2 or not group.is_simple:
        return whole
    is_far = want.isfinite() & (want.abs() >= limit / 2)
    return torch.where(is_far, whole, largest_finite(want[~is_far]))


def _error(got: Tensor, want: Tensor, limit: float, share: float) -> tuple[Tensor, bool]:
    """The difference at each place, and whether the format ends before what is wanted. The same infinity, and not a
    number in both, agree; one that is finite where the other is not is infinitely far off."""
    beyond = got.isinf() & want.isfinite() & (got.sign() == want.sign()) & (want.abs() * (1 + share) >= limit)
    same = (got == want) | (got.isnan() & want.isnan()) | beyond
    difference = torch.where(same, 0.0, (got.double() - want.double()).abs())
    return torch.nan_to_num(difference, nan=torch.inf, posinf=torch.inf), bool(beyond.any())


def _ended(item: Compared, limit: float, share: float) -> Tensor:
    """Where the format ends before the result because it ends before a constant, and what was got is what its largest number
    gives in the place of that, or is that itself; or before a value that was given in a wider type, and what was got is what
    infinity gives; or where PyTorch ends, too."""
    got, want = item.drift.candidate, item.drift.given_actual_inputs
    found = torch.zeros_like(got, dtype=torch.bool)
    largest, infinite = item.group.with_largest(), item.group.with_infinite(limit)
    if isinstance(largest, Tensor):
        is_near = (got - largest).abs() <= share * limit
        is_beyond = got.isinf() & (got.sign() == largest.sign()) & (largest.abs() * (1 + share) >= limit)
        is_last = (got.abs() == limit) & (got.sign() == want.sign())
        found |= want.isfinite() & (want.abs() * (1 + share) >= limit) & (is_near | is_beyond | is_last)
    bounded = item.group.with_bounds(limit)
    if isinstance(bounded, Tensor):
        found |= (bounded != want) & ((got - bounded).abs() <= share * largest_finite(bounded))
    ends = ~got.isfinite() & want.isfinite()
    own = item.group.own() if bool(ends.any()) else None
    if isinstance(own, Tensor):
        found |= ends & ~own.isfinite()
    if isinstance(infinite, Tensor):
        found |= ~infinite.isfinite() & ((got == infinite) | (got.isnan() & infinite.isnan()))
    return found


def _ends_inside(group: Group) -> bool:
    """Whether a narrow sum can be infinite before it is complete, whatever it comes to."""
    summed = only_sum(group)
    return summed is not None and largest_partial(group, summed) > torch.finfo(torch.float16).max


def _spread(
    group: Group, want: Tensor, roundoff: float, *, numbers_alone: bool = False, sums: Sums = "as narrow"
) -> Tensor:
    """How far one rounding of everything in the group, or of the numbers in it, moves its result, at each place."""

    def distance(values: Mapping[fx.Node, object]) -> Tensor:
        moved = group.result(values)
        assert isinstance(moved, Tensor)
        return torch.nan_to_num((moved - want).abs(), nan=0.0, posinf=0.0)

    spread = torch.zeros_like(want, dtype=torch.float64)
    for values in group.disturbed(roundoff, numbers_alone=numbers_alone, sums=sums):
        spread = torch.maximum(spread, distance(values))
    if numbers_alone:
        return spread
    if group.decides:  # what jumps does so at once, where it is as far away as all may be off
        for values in group.disturbed(BACKWARD * roundoff, sums=sums):
            spread = torch.maximum(spread, distance(values) / BACKWARD)
    apart = torch.zeros_like(spread)
    for values in group.disturbed_one_by_one(roundoff):
        apart += distance(values)
    return torch.maximum(spread, apart)


def _judge_decisions(item: Compared, types: Types) -> Judgement:
    """Integers and truths are right or wrong, but where a rounding decides."""
    got, want = item.drift.candidate, item.drift.given_actual_inputs
    differs = got != want
    if not bool(differs.any()):
        return Judgement(0.0, 0.0, 1.0, is_wrong=False)
    undecided = _undecided(item.group, got, ROUNDOFF[types.computed])
    stored = item.group.with_largest()
    if isinstance(stored, Tensor):
        differs &= got != stored
    ended = _at_the_end(got, want, types.whole) & differs
    differs &= ~ended
    wrong = int((differs & ~undecided).sum())
    return Judgement(
        wrong / want.numel(),
        0.0,
        largest_finite(want.double()) if bool(ended.any()) else 1.0,
        is_wrong=wrong > 0,
        flips=int((differs & undecided).sum()),
        overflows=bool(ended.any()),
    )


def _at_the_end(got: Tensor, want: Tensor, whole: str) -> Tensor:
    """Where a whole number is the last one of the format, which ends before what is wanted."""
    if want.dtype is torch.bool:
        return torch.zeros_like(got)
    ends = torch.iinfo(getattr(torch, whole))
    return ((want > ends.max) & (got == ends.max)) | ((want < ends.min) & (got == ends.min))


def _undecided(group: Group, got: Tensor, roundoff: float) -> Tensor:
    """Where what was got is what moving everything by as much as it may be off gives too, or the place of one that is as good."""
    search = search_of(group.nodes[-1]) if group.piece is None else None
    if search is not None and search.node in group.nodes:
        values = {**group.leaves, **group.computed()}
        operand, best = values[search.operand], group.result(values)
        assert isinstance(operand, Tensor) and isinstance(best, Tensor)
        margin = BACKWARD * roundoff * largest_finite(operand) if operand.is_floating_point() else 0.0
        return as_good(operand, got, best, search.dim, margin)
    found = torch.zeros_like(got, dtype=torch.bool)
    if not group.decides:
        return found
    are_amounts = all(_is_amount(node) for node in group.nodes)
    least = most = None
    for size in (roundoff, BACKWARD * roundoff):
        for values in group.disturbed(size):
            run = group.result(values)
            assert isinstance(run, Tensor)
            found |= got == run
            if are_amounts:
                least = run if least is None else torch.minimum(least, run)
                most = run if most is None else torch.maximum(most, run)
    if least is not None and most is not None:
        found |= (least <= got) & (got <= most)
    return found


def _is_amount(node: fx.Node) -> bool:
    """Whether the node's whole numbers are amounts, so that what lies between two that rounding gives may be given too: places
    are none, nor are remainders or what is looked up."""
    value, *given = (item.meta.get("val") for item in (node, *node.all_input_nodes))
    if not isinstance(value, Tensor) or value.dtype is torch.bool:
        return False
    of_numbers = all(isinstance(item, Tensor) and item.is_floating_point() for item in (value, *given))
    return operator_name(node.target) in _AMOUNTS or (of_numbers and not decides(node))
