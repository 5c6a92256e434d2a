"""Holding a written model against the model that it was exported from, operator by operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch

from ..artifact.folder import Artifact
from ..artifact.origins import Origins, read_origins
from ..formats.runners import Runner
from ..reference.cases import Case, Inputs
from ..source.trace import origin_of
from .report import OperatorResult
from .tolerances import ROUNDOFF, allowance
from .walk import Compared, walk

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["compare_operators", "program_origins"]

Progress = Callable[[str], None]


# The least share of the traced operators whose values are matched: 0.47 in a plain ResNet, whose batch norms
# onnxsim folds, and from 0.84 on after our passes. With less, the artifact's origins are not the exporter's.
_MATCHED = 1 / 3


# A value counts as off, for what is computed from it, from this many times its own allowance on.
_OFF = 1.0


def program_origins(program: ExportedProgram) -> Origins:
    """Of a graph that is run as it is: each tensor is that of its own node."""
    nodes = [
        node
        for node in program.graph.nodes
        if node.op == "call_function" and isinstance(node.meta.get("val"), torch.Tensor)
    ]
    places = {
        node.name: {
            "node": node.name,
            "module": origin_of(node).module,
            "location": origin_of(node).location,
        }
        for node in nodes
    }
    names = {node.name: node.name for node in nodes}
    return Origins(names, dict.fromkeys(names, 1), places)


def compare_operators(
    artifact: Artifact,
    program: ExportedProgram,
    runner: Runner,
    cases: Iterable[Case],
    progress: Progress = lambda _: None,
    precision: str | None = None,
) -> tuple[list[OperatorResult], list[str]]:
    """Every value that can be matched, worst over the cases; and what could not be compared.

    Operators of the written model that give no such value are compared with the one they lead to. With
    ``precision``, ``runner`` runs ``program`` itself in that type, and not what was written of it.
    """
    inputs = Inputs.of(artifact.function)
    origins = read_origins(artifact) if precision is None else program_origins(program)
    stored = getattr(torch, precision or artifact.manifest["precision"]["weights"])
    precision = precision or str(artifact.manifest["precision"]["activations"])
    worst: dict[str, OperatorResult] = {}
    missing: list[str] = []
    for case in cases:
        progress(f"comparing operator by operator: {case.name}")
        fed = case.for_candidate(inputs)
        candidate = origins.candidate(runner.values(fed))
        seen: set[str] = set()
        off: set[str] = set()  # nodes whose value is out of line with the reference
        for depth, item in enumerate(walk(program, fed, candidate, stored=stored)):
            seen |= {item.node, *item.relaid}
            result = _operator_result(item, origins, depth, case.name, precision, off)
            if result.node not in worst or _severity(result) > _severity(worst[result.node]):
                worst[result.node] = result
        missing += [
            f"{value} ({node}) on {case.name}" for node, value in origins.equals.items() if node not in seen
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
    item: Compared, origins: Origins, depth: int, case: str, precision: str, off: set[str]
) -> OperatorResult:
    drift = item.drift
    steps = sum(origins.steps.get(node, 0) for node in item.group)
    tolerance = allowance(item.operators, steps, precision) * ROUNDOFF[precision]
    largest = _largest(drift.given_actual_inputs)
    own = _largest_difference(drift.candidate, drift.given_actual_inputs)
    total = _largest_difference(drift.candidate, drift.reference)
    # The smallest step of the format: what is smaller than it cannot be held to a share of itself.
    floor = 2.0**-24 if precision == "float16" else 2.0**-126
    scale = max(largest, floor / max(tolerance, ROUNDOFF[precision]))
    wrong = not own <= tolerance * scale + floor
    inherits = any(name in off for name in item.reads)
    verdict = "wrong here" if wrong else "inherited" if inherits else "right"
    if wrong or inherits:
        off.add(item.node)
    return OperatorResult(
        origins.equals[item.node], item.node, item.operator, item.origin.module, item.origin.location,
        item.group, item.reads, depth, own / scale, total / scale, tolerance, largest, case, verdict,
    )  # fmt: skip


def _largest(tensor: torch.Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def _largest_difference(got: torch.Tensor, want: torch.Tensor) -> float:
    """Infinite if one is finite where the other is not; the same infinity, or not a number in both, agrees."""
    if not got.numel():
        return 0.0
    same = (got == want) | (got.isnan() & want.isnan())
    difference = torch.where(same, 0.0, (got.double() - want.double()).abs())
    return float(torch.nan_to_num(difference, nan=torch.inf).max())
