"""Where a model left the accelerator and came back, with the module and line of each side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..source.origin import Origin
from .compute_plan import ComputePlan, Excursion, PlannedOperator

__all__ = ["Boundary", "boundaries", "plan_json"]

_Locate = Callable[[str], Origin | None]


@dataclass(frozen=True)
class Boundary:
    """``left`` is the first operator that is not on the accelerator, ``back`` the first that is again, None if none is;
    ``operators`` are between. ``devices`` are what those ran on. An origin is that of the first operator from there on, within
    the same stretch, that has one: a runtime also inserts operators of its own."""

    left: PlannedOperator
    left_origin: Origin | None
    back: PlannedOperator | None
    back_origin: Origin | None
    operators: int
    devices: tuple[str | None, ...]
    cost: float | None

    def to_json(self) -> dict[str, object]:
        def side(operator: PlannedOperator | None, origin: Origin | None) -> dict[str, object] | None:
            if operator is None:
                return None
            return {
                "operator": operator.name,
                "kind": operator.kind,
                "module": None if origin is None else origin.module,
                "location": None if origin is None else origin.location,
            }

        return {
            "left": side(self.left, self.left_origin),
            "back": side(self.back, self.back_origin),
            "operators": self.operators,
            "devices": list(self.devices),
            "cost": self.cost,
        }


def boundaries(plan: ComputePlan, locate: _Locate) -> tuple[Boundary, ...]:
    """One for each time that the model was off the accelerator, in order."""
    away = plan.excursions
    ends = [*(item.first for item in away[1:]), len(plan.operators)]  # of the accelerated stretch behind each
    return (
        tuple(_boundary(plan, item, end, locate) for item, end in zip(away, ends, strict=True))
        if away
        else ()
    )


def _boundary(plan: ComputePlan, away: Excursion, end: int, locate: _Locate) -> Boundary:
    between, behind = plan.operators[away.first : away.end], plan.operators[away.end : end]
    return Boundary(
        left=between[0],
        left_origin=_first(between, locate),
        back=behind[0] if behind else None,
        back_origin=_first(behind, locate),
        operators=away.count,
        devices=tuple(dict.fromkeys(item.device for item in between)),
        cost=plan.cost_of(range(away.first, away.end)),
    )


def _first(operators: Iterable[PlannedOperator], locate: _Locate) -> Origin | None:
    return next((origin for item in operators if (origin := locate(item.name)) is not None), None)


def plan_json(plan: ComputePlan, locate: _Locate) -> dict[str, object]:
    """What is found of a plan, for programs; the operators themselves are in the report."""
    return {
        "asked": plan.asked,
        "accelerator": plan.accelerator,
        "share_of_operators": plan.share_of_operators,
        "share_of_cost": plan.share_of_cost,
        "operators": len(plan.operators),
        "devices": [{"device": name, "operators": count} for name, count in plan.devices.items()],
        "partitions": len(plan.stretches),
        "boundaries": [item.to_json() for item in boundaries(plan, locate)],
        "why_not": plan.why_no_share,
    }
