"""Holding a written model against the model that it was exported from, operator by operator."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from cloformer.io.progress import Progress, Stage

from ..artifact.origins import Origins
from ..formats.runners import Array, Runner
from ..reference.natures import nature_of_node
from ..source.trace import origin_of
from .cliffs import FoundCliff
from .judge import Types, judge
from .report import OperatorResult
from .walk import Compared, Drift, Walk

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["Comparison", "compare_operators", "program_origins", "with_cliffs"]


# The least share of the traced operators that compute that is compared, each alone or as a step to one that is: a batch norm
# that is folded, a GELU that a framework recognizes by its eight operators. With less, the artifact's origins are not the
# exporter's; and more steps than these to one value are no fusion.
_MATCHED = 1 / 3
_MOST_STEPS = 16
# Of its error beside what it was given: what a value that was computed of right numbers is off by at most, all in all.
_READ_PAST = 1e-2


def program_origins(program: ExportedProgram) -> Origins:
    """Of a graph that is run as it is: each tensor is that of its own node."""
    nodes = [
        node
        for node in program.graph.nodes
        if node.op == "call_function" and isinstance(node.meta.get("val"), torch.Tensor)
    ]
    places = {node.name: replace(origin_of(node), name=node.name) for node in nodes}
    names = {node.name: node.name for node in nodes}
    return Origins(names, dict.fromkeys(names, 1), places)


def compare_operators(
    runner: Runner,
    program: ExportedProgram,
    origins: Origins,
    types: Types,
    inputs: Sequence[tuple[str, Mapping[str, Array]]],
    progress: Progress = lambda _: None,
) -> tuple[list[OperatorResult], list[str]]:
    """Every value that can be matched by ``origins``, worst over ``inputs`` (each by its name, as ``runner`` takes
    them); and what could not be compared.

    Operators of the written model that give no such value are compared with the one they lead to. Raises
    :class:`UnsupportedError` where the runner does not give the values inside.
    """
    # What only moves numbers comes and goes with the format: pieces of a list, shapes.
    computing = {node.name for node in program.graph.nodes if nature_of_node(node) != "moves"}
    found = Comparison(program, origins, types)
    for number, (name, fed) in enumerate(inputs):
        progress(Stage(f"comparing operator by operator: {name}", number / len(inputs)))
        found.add(name, fed, runner.values(fed))
    missing = found.missing
    traced = {name for name in program_origins(program).equals if name in computing}
    groups = (result.group for result in found.worst.values() if len(result.group) <= _MOST_STEPS)
    matched = len(traced & (found.worst.keys() | {name for group in groups for name in group}))
    if matched < _MATCHED * len(traced):
        missing.append(
            f"{matched} of {len(traced)} traced operators could be matched, so the rest is not compared"
        )
    return found.operators, missing


@dataclass
class Comparison:
    """The values of one candidate beside the program's, run by run: of each node the worst of all, and what could not be compared."""

    program: ExportedProgram
    origins: Origins
    types: Types
    worst: dict[str, OperatorResult] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    _divergent: dict[str, dict[str, bool]] = field(default_factory=dict)
    _depths: dict[str, int] = field(default_factory=dict)  # by input, how many values its runs have told

    @property
    def operators(self) -> list[OperatorResult]:
        """In the order they run."""
        return sorted(self.worst.values(), key=lambda result: result.depth)

    def add(
        self,
        name: str,
        fed: Mapping[str, Array],
        values: Mapping[str, Array],
        *,
        own: Collection[str] | None = None,
    ) -> None:
        """A run on the input called ``name``, ``fed`` as the candidate takes it. Where a device gives its values by several models,
        ``own`` are the values that this one tells, all others being given: they have come with an earlier one."""
        candidate = self.origins.candidate(values)
        wanted = {node: value for node, value in self.origins.equals.items() if own is None or value in own}
        seen: set[str] = set()
        # Nodes whose value is out of line with the reference; whether each only moves numbers.
        divergent = self._divergent.setdefault(name, {})
        walk = Walk(
            self.program,
            fed,
            candidate,
            stored=getattr(torch, self.types.stored),
            given=candidate.keys() - wanted.keys(),
        )
        for depth, item in enumerate(walk, self._depths.get(name, 0)):
            self._depths[name] = depth + 1
            seen |= {item.node, *item.permuted}
            result = _operator_result(item, self.origins, (depth, name), self.types, divergent)
            if result.node not in self.worst or _severity(result) > _severity(self.worst[result.node]):
                self.worst[result.node] = result
        self.missing += [
            f"{value} ({node}) on {name}{_why(walk.failed.get(node))}"
            for node, value in wanted.items()
            if node not in seen
        ]


def with_cliffs(operators: Sequence[OperatorResult], found: Sequence[FoundCliff]) -> list[OperatorResult]:
    """The results, each with the published cliff that its value, or a step on the way to it, meets."""
    at: dict[str, str] = {}
    for item in found:
        for name in (item.met.value, item.node, *item.met.also):
            at.setdefault(name, str(item.cliff))
    return [
        replace(item, cliff=next((at[name] for name in (item.value, *item.group) if name in at), ""))
        for item in operators
    ]


def _severity(result: OperatorResult) -> tuple[bool, bool, float]:
    return not result.passed, result.verdict == "overflows", result.own_error / max(result.tolerance, 1e-30)


def _why(reason: str | None) -> str:
    return "" if reason is None else f": PyTorch cannot compute it: {reason}"


def _operator_result(
    item: Compared, origins: Origins, place: tuple[int, str], types: Types, divergent: dict[str, bool]
) -> OperatorResult:
    """The result at ``place``, (depth, input's name); a node whose value is out of line joins ``divergent``.

    An exporter makes one move of two, so that the written model may read past a move whose own value is wrong. What it then
    gives is nothing that follows from that value, and is right beside the reference: it is not wrong, and inherits nothing.
    """
    found = judge(item, sum(origins.steps.get(node, 0) for node in item.names), types)
    total = _total_error(item.drift, found.scale)
    inherits = any(name in divergent for name in item.reads)
    if found.is_wrong and any(divergent.get(name, False) for name in item.reads):
        reads_past = math.isfinite(total) and total <= _READ_PAST * found.own_error
        inherits = not reads_past
        found = replace(found, own_error=total, is_wrong=False) if reads_past else found
    overflows = (found.overflows or _is_infinite_alone(item.drift)) and not inherits
    if found.is_wrong or overflows or inherits:
        divergent[item.node] = nature_of_node(item.group.nodes[-1]) == "moves"
    verdict = "inherited" if inherits else "overflows" if overflows else "right"
    return OperatorResult(
        value=origins.equals[item.node],
        node=item.node,
        operator=item.operator,
        module=item.origin.module,
        location=item.origin.location,
        group=item.names,
        reads=item.reads,
        depth=place[0],
        own_error=found.own_error,
        total_error=total,
        tolerance=found.tolerance,
        largest=found.scale,
        case=place[1],
        verdict="wrong here" if found.is_wrong else verdict,
        flips=found.flips,
    )


def _is_infinite_alone(drift: Drift) -> bool:
    """Whether a value is infinite where the reference is finite, whatever the operator was given."""
    want, got = drift.reference, drift.candidate
    return want is not None and want.is_floating_point() and bool((got.isinf() & want.isfinite()).any())


def _total_error(drift: Drift, scale: float) -> float:
    """How far the value is from the reference, over ``scale``; of integers and truths the share that differs."""
    want, got = drift.reference, drift.candidate
    if want is None:
        return math.inf
    if not got.numel():
        return 0.0
    same = (got == want) | (got.isnan() & want.isnan())
    if not want.is_floating_point():
        return float((~same).double().mean())
    difference = torch.where(same, 0.0, (got - want).abs())
    return float(torch.nan_to_num(difference, nan=torch.inf, posinf=torch.inf).max()) / scale
