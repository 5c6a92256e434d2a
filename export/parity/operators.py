"""Holding a written model against the model that it was exported from, operator by operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from ..artifact.origins import Origins
from ..formats.runners import Array, Runner
from ..source.trace import origin_of
from .report import OperatorResult
from .tolerances import ROUNDOFF, allowance
from .walk import Compared, walk

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["Types", "compare_operators", "program_origins"]

Progress = Callable[[str], None]


# The least share of the traced operators whose values are matched: 0.47 in a plain ResNet, whose batch norms
# onnxsim folds, and from 0.84 on after our passes. With less, the artifact's origins are not the exporter's.
_MATCHED = 1 / 3


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


@dataclass(frozen=True)
class Types:
    """The types that a candidate computes in and keeps its constants in: "float32" or "float16"."""

    computed: str
    stored: str


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
    worst: dict[str, OperatorResult] = {}
    missing: list[str] = []
    for name, fed in inputs:
        progress(f"comparing operator by operator: {name}")
        candidate = origins.candidate(runner.values(fed))
        seen: set[str] = set()
        divergent: set[str] = set()  # nodes whose value is out of line with the reference
        for depth, item in enumerate(walk(program, fed, candidate, stored=getattr(torch, types.stored))):
            seen |= {item.node, *item.permuted}
            result = _operator_result(item, origins, (depth, name), types.computed, divergent)
            if result.node not in worst or _severity(result) > _severity(worst[result.node]):
                worst[result.node] = result
        missing += [
            f"{value} ({node}) on {name}" for node, value in origins.equals.items() if node not in seen
        ]
    traced = len(program_origins(program).equals)
    if len(worst) < _MATCHED * traced:
        missing.append(
            f"{len(worst)} of {traced} traced operators could be matched, so the rest is not compared"
        )
    return sorted(worst.values(), key=lambda result: result.depth), missing


def _severity(result: OperatorResult) -> tuple[bool, float]:
    return not result.passed, result.own_error / max(result.tolerance, 1e-30)


def _operator_result(
    item: Compared, origins: Origins, place: tuple[int, str], precision: str, divergent: set[str]
) -> OperatorResult:
    """The result at ``place``, (depth, input's name); a node whose value is out of line joins ``divergent``."""
    drift = item.drift
    steps = sum(origins.steps.get(node, 0) for node in item.group)
    tolerance = allowance(item.operators, steps, precision) * ROUNDOFF[precision]
    largest = _largest(drift.given_actual_inputs)
    own = _largest_difference(drift.candidate, drift.given_actual_inputs)
    total = _largest_difference(drift.candidate, drift.reference)
    # The smallest step of the format: what is smaller than it cannot be held to a share of itself.
    smallest = 2.0**-24 if precision == "float16" else 2.0**-126
    scale = max(largest, smallest / max(tolerance, ROUNDOFF[precision]))
    wrong = not own <= tolerance * scale + smallest
    inherits = any(name in divergent for name in item.reads)
    if wrong or inherits:
        divergent.add(item.node)
    return OperatorResult(
        value=origins.equals[item.node],
        node=item.node,
        operator=item.operator,
        module=item.origin.module,
        location=item.origin.location,
        group=item.group,
        reads=item.reads,
        depth=place[0],
        own_error=own / scale,
        total_error=total / scale,
        tolerance=tolerance,
        largest=largest,
        case=place[1],
        verdict="wrong here" if wrong else "inherited" if inherits else "right",
    )


def _largest(tensor: torch.Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def _largest_difference(got: torch.Tensor, want: torch.Tensor) -> float:
    """Infinite if one is finite where the other is not; the same infinity, or not a number in both, agrees."""
    if not got.numel():
        return 0.0
    same = (got == want) | (got.isnan() & want.isnan())
    difference = torch.where(same, 0.0, (got.double() - want.double()).abs())
    return float(torch.nan_to_num(difference, nan=torch.inf).max())
