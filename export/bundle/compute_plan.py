"""Where a device ran a model's operators, as its report says, and where the model left the accelerator and came back.

On iOS the report has what ``MLComputePlan`` says, which is Core ML's own plan; on Android what ONNX Runtime's profiler saw when the
model ran. A browser says nothing of it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

__all__ = [
    "TITLES",
    "ComputePlan",
    "Excursion",
    "PlannedOperator",
    "Stretch",
    "percent",
    "plan_of",
    "title_of",
]

# What reports call the processors and providers.
TITLES = {
    "cpu": "CPU",
    "gpu": "GPU",
    "neural_engine": "Neural Engine",
    "xnnpack": "XNNPACK",
    "nnapi": "NNAPI",
    "webgpu": "WebGPU",
}
# What was to be accelerated by, by what was asked for. Of all units it is the Neural Engine: a model on the GPU has left it, too.
_ACCELERATORS = {
    "all": "neural_engine",
    "cpuAndNeuralEngine": "neural_engine",
    "cpuAndGPU": "gpu",
    "xnnpack": "xnnpack",
    "nnapi": "nnapi",
    "webgpu": "webgpu",
}


def title_of(device: str | None) -> str:
    """As a reader knows it; what no table knows keeps its own name."""
    return "an unknown device" if device is None else TITLES.get(device, device)


@dataclass(frozen=True)
class PlannedOperator:
    """``device`` is None where the system could not say it; ``cost`` is a share of the whole or microseconds, None where
    there is none."""

    name: str
    kind: str
    device: str | None
    cost: float | None


@dataclass(frozen=True)
class Stretch:
    """Operators that follow one another on the same device: ``first`` is the place of the first of ``count``."""

    device: str | None
    first: int
    count: int

    @property
    def end(self) -> int:
        return self.first + self.count


@dataclass(frozen=True)
class Excursion:
    """Operators from ``first`` up to ``end`` that are not on the accelerator, all those between two that are."""

    first: int
    end: int

    @property
    def count(self) -> int:
        return self.end - self.first


@dataclass(frozen=True)
class ComputePlan:
    """``asked`` are the compute units or the provider that were asked for. ``cost`` is what costs are counted in: shares of the
    whole that Core ML estimates (``estimated_share``), or ``microseconds`` that were measured. Without operators, ``why_not``
    is a sentence that says why."""

    asked: str
    operators: tuple[PlannedOperator, ...] = ()
    cost: str | None = None
    why_not: str | None = None

    @property
    def accelerator(self) -> str | None:
        """None if the processor alone was asked for, or what nobody knows here."""
        return _ACCELERATORS.get(self.asked)

    @property
    def why_no_share(self) -> str | None:
        """Why there is no share on the accelerator; None if there is one."""
        if self.why_not is not None:
            return self.why_not
        return f"no accelerator was asked for ({self.asked})" if self.accelerator is None else None

    @property
    def share_of_operators(self) -> float | None:
        """How many of the operators are on the accelerator; one whose device is not known is not."""
        if self.why_no_share is not None:
            return None
        return sum(map(self._is_accelerated, self.operators)) / len(self.operators)

    @property
    def share_of_cost(self) -> float | None:
        """As :attr:`share_of_operators`, by what they cost; None unless each operator has a cost."""
        costs = [item.cost for item in self.operators if item.cost is not None]
        total = sum(costs)
        if self.why_no_share is not None or len(costs) < len(self.operators) or not total:
            return None
        return sum(item.cost or 0.0 for item in self.operators if self._is_accelerated(item)) / total

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        found, place = [], 0
        for device, group in itertools.groupby(item.device for item in self.operators):
            count = len(list(group))
            found.append(Stretch(device, place, count))
            place += count
        return tuple(found)

    @property
    def excursions(self) -> tuple[Excursion, ...]:
        """Where the model was not on the accelerator, in order; nothing if none was asked for."""
        if self.why_no_share is not None:
            return ()
        groups = itertools.groupby(self.stretches, key=lambda item: item.device == self.accelerator)
        away = [list(group) for is_accelerated, group in groups if not is_accelerated]
        return tuple(Excursion(group[0].first, group[-1].end) for group in away)

    @property
    def devices(self) -> dict[str | None, int]:
        """How many operators each has, most first."""
        return dict(Counter(item.device for item in self.operators).most_common())

    def cost_of(self, places: Sequence[int] | range) -> float | None:
        """What the operators there cost together; None if one has no cost."""
        costs = [self.operators[place].cost for place in places]
        return None if None in costs else sum(cost or 0.0 for cost in costs)

    def short_of(self, minimum: float) -> str | None:
        """Why less than ``minimum`` is on the accelerator, by operators or by cost; None if enough is. What is not known
        falls short."""
        if self.why_no_share is not None:
            return f"how much is on the accelerator is not known: {self.why_no_share}"
        name = title_of(self.accelerator)
        for share, what in ((self.share_of_operators, "the operators"), (self.share_of_cost, "the cost")):
            if share is not None and share < minimum:
                asked = f"less than the {percent(minimum)} that was asked for"
                return f"{percent(share)} of {what} on {name}, {asked}"
        return None

    def _is_accelerated(self, operator: PlannedOperator) -> bool:
        return operator.device is not None and operator.device == self.accelerator


# What runs models in a browser, which tells a page nothing of where.
_IN_A_BROWSER = "onnxruntime-web"


def plan_of(document: Mapping[str, Any]) -> ComputePlan:
    """Of a device report that its schema admits, of any version."""
    asked, said = document["runtime"]["provider"], document.get("placement")
    if document["schema_version"] < 2:
        return ComputePlan(
            asked, why_not="the report is of version 1, which does not say where operators ran"
        )
    if said is None:
        is_page = document["runtime"].get("name") == _IN_A_BROWSER
        who = "a browser does not say" if is_page else "the report does not say"
        return ComputePlan(asked, why_not=f"{who} where operators ran")
    if not said["operators"]:
        return ComputePlan(said["asked"], why_not=said["why_not"])
    operators = tuple(
        PlannedOperator(item["name"], item["kind"], item["device"], item["cost"])
        for item in said["operators"]
    )
    return ComputePlan(said["asked"], operators, said["cost"])


def percent(share: float) -> str:
    """Rounded down to a tenth, so that what falls short does not look as if it reached."""
    return f"{math.floor(1000 * share + 1e-9) / 10:g} %"
