"""Where a device ran the operators, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...bundle.compute_plan import percent, title_of
from ..shared.words import count

if TYPE_CHECKING:
    from ...bundle.boundaries import Boundary
    from ...bundle.compute_plan import ComputePlan, PlannedOperator
    from ...source.origin import Origin

__all__ = ["MOST", "boundary_words", "cost_words", "plan_lines", "share_words"]

MOST = 8  # boundaries that are told; --json has all of them
_SAYS = {
    "estimated_share": "of the cost that Core ML estimates",
    "microseconds": "of the time that ONNX Runtime's profiler measured",
}


def plan_lines(plan: ComputePlan, found: Sequence[Boundary]) -> Iterator[str]:
    """The share on the accelerator, the devices, and where the model left it: of many absences those that cost most."""
    yield f"  where it ran, asked for {plan.asked}: {share_words(plan)}"
    if not plan.operators:
        return
    devices = ", ".join(f"{title_of(name)} {number:,}" for name, number in plan.devices.items())
    yield f"    {count(plan.operators, 'operator')} in {count(plan.stretches, 'partition')}: {devices}"
    if not found:
        return
    yield f"    off {title_of(plan.accelerator)} {count(found, 'time')}{_longest(found)}:"
    for item in _chosen(found):
        yield from (f"      {line}" for line in boundary_words(plan, item))


def share_words(plan: ComputePlan) -> str:
    """``97 % of the operators on Neural Engine, 98.2 % of the cost ...``, or why that is not known."""
    if plan.why_no_share is not None:
        return plan.why_no_share
    by_operators, by_cost = plan.share_of_operators, plan.share_of_cost
    assert by_operators is not None  # or there was a reason
    said = f"{percent(by_operators)} of the operators on {title_of(plan.accelerator)}"
    return said if by_cost is None else f"{said}, {percent(by_cost)} {_SAYS[plan.cost or '']}"


def boundary_words(plan: ComputePlan, item: Boundary) -> tuple[str, str]:
    """Where it was left, and where it came back."""
    devices = ", ".join(map(title_of, item.devices))
    cost = "" if item.cost is None else f", {cost_words(plan, item.cost)}"
    left = f"{_side(item.left, item.left_origin)}: {count(item.operators, 'operator')} on {devices}{cost}"
    return left, "  not back" if item.back is None else f"  back at {_side(item.back, item.back_origin)}"


def cost_words(plan: ComputePlan, cost: float) -> str:
    """In its unit."""
    return (
        f"{cost / 1000:.2f} ms"
        if plan.cost == "microseconds"
        else f"{100 * cost:.1f} % of the estimated cost"
    )


def _side(operator: PlannedOperator, origin: Origin | None) -> str:
    return f"{operator.name} ({operator.kind}), {'of no line of the model' if origin is None else origin}"


def _longest(found: Sequence[Boundary]) -> str:
    if len(found) <= MOST:
        return ""
    return f", the {MOST} {'that cost most' if _have_costs(found) else 'longest'} (--json has all)"


def _chosen(found: Sequence[Boundary]) -> list[Boundary]:
    """In their order."""
    weights = [(item.cost or 0.0) if _have_costs(found) else item.operators for item in found]
    ranked = sorted(range(len(found)), key=lambda place: -weights[place])[:MOST]
    return [found[place] for place in sorted(ranked)]


def _have_costs(found: Sequence[Boundary]) -> bool:
    return all(item.cost is not None for item in found)
