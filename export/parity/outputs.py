"""Holding one artifact against the model it was exported from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from cloformer.errors import InputError

from ..artifact.folder import ORIGINS, Artifact
from ..artifact.predict import softmax
from ..formats.runners import Array, Runner
from ..reference.cases import Case, Inputs
from ..source.trace import origin_of
from .metrics import Figures, agreement, figures
from .report import OperatorResult, OutputResult
from .tolerances import ROUNDOFF, OutputTolerance, allowance, output_tolerance
from .walk import Compared, walk

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["Origins", "compare_operators", "compare_outputs", "compare_preprocessing", "read_origins"]

Progress = Callable[[str], None]

_FED = OutputTolerance(2.0**-40, 1 - 2.0**-40, "the same pixels, normalized by the same formula in float64")

# The least share of the traced operators whose values are matched: 0.47 in a plain ResNet, whose batch norms
# onnxsim folds, and from 0.84 on after our passes. With less, the artifact's origins are not the exporter's.
_MATCHED = 1 / 3

# A value counts as off, for what is computed from it, from this many times its own allowance on.
_OFF = 1.0


@dataclass(frozen=True)
class Origins:
    """What ``origins.json`` says: the node each value equals, and how many values each node became."""

    equals: Mapping[str, str]  # value of the file by node
    steps: Mapping[str, int]  # values of the file that carry a node
    places: Mapping[str, Mapping[str, str]]  # node, module and location by value of the file

    def candidate(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The values of a run, by node; those that the run did not give are left out."""
        return {node: values[value] for node, value in self.equals.items() if value in values}


def read_origins(artifact: Artifact) -> Origins:
    """The artifact's origins; :class:`InputError` if they are not there or damaged."""
    path = artifact.folder / ORIGINS
    try:
        content = json.loads(path.read_bytes())
        entries, nodes = content["values"], content["nodes"]
        equals = {entry["equals"]: str(entry["value"]) for entry in entries if entry["equals"] is not None}
        steps: dict[str, int] = {}
        places: dict[str, dict[str, str]] = {}
        for entry in entries:
            for node in entry["nodes"]:
                steps[str(node)] = steps.get(str(node), 0) + 1
            if entry["nodes"]:
                last = entry["nodes"][-1]
                place = nodes[last]
                places[str(entry["value"])] = {
                    "node": str(last),
                    "module": str(place["module"]),
                    "location": str(place["location"]),
                }
    except FileNotFoundError:
        raise InputError(
            f"{artifact.folder} does not say where its values come from",
            "export it again with this cloformer",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", "export it again") from None
    return Origins(equals, steps, places)


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


def compare_outputs(
    artifact: Artifact,
    case: Case,
    got: Mapping[str, Array],
    want: Sequence[Array],
    floor: Sequence[Array] | None,
    *,
    is_device_runtime: bool,
    precision: str | None = None,
) -> list[OutputResult]:
    """Every output of one case. ``want`` are the model's own outputs in float64, ``floor`` in float32.

    ``precision`` is what the candidate computes in; the artifact's own if None.
    """
    precision = precision or artifact.manifest["precision"]["activations"]
    tolerance = output_tolerance(precision, is_device_runtime, case.kind)
    results = []
    for index, spec in enumerate(artifact.signature.outputs):
        expected, noise = want[index], None if floor is None else floor[index]
        if spec.role == "probabilities":
            expected, noise = softmax(expected), None if noise is None else softmax(noise)
        results.append(
            output_result(spec.name, spec.role, case, got.get(spec.name), expected, noise, tolerance)
        )
    return results


def output_result(
    name: str,
    role: str,
    case: Case,
    got: Array | None,
    want: Array,
    floor: Array | None,
    bound: OutputTolerance,
) -> OutputResult:
    """One output against its tolerance; one that is not there, or of another shape, has failed."""
    noise = None if floor is None else figures(floor, want)
    if got is None or np.shape(got) != np.shape(want):
        what = (
            "is not there"
            if got is None
            else f"has the shape {list(np.shape(got))}, not {list(np.shape(want))}"
        )
        nothing = Figures(np.inf, np.inf, float(np.abs(want).max(initial=0)), -np.inf, 0.0)
        return OutputResult(
            name, case.name, case.kind, nothing, noise, bound, 0.0, None, None, None, f"the output {what}"
        )
    found = figures(got, want)
    scale = 1.0 if role == "probabilities" else found.largest
    rows = agreement(got, want) if role in ("logits", "probabilities") else []
    margin = min((row.flipped_margin for row in rows if row.flipped_margin is not None), default=None)
    failure = None
    # Written so that what is not a number fails.
    allowed = bound.max_rel * max(scale, 1e-30)
    if not found.max_abs <= allowed:
        failure = f"off by {found.max_abs:.3g}, and {allowed:.3g} is allowed"
    elif role != "probabilities" and not found.cosine >= bound.cosine:
        failure = f"cosine {found.cosine:.8f}, and {bound.cosine} is the least"
    elif margin is not None and not margin <= 2 * bound.max_rel * scale:
        failure = f"the first class differs, where the reference prefers its own by {margin:.3g}"
    return OutputResult(
        name, case.name, case.kind, found, noise, bound, allowed,
        sum(row.top1 for row in rows) / len(rows) if rows else None,
        sum(row.top5 for row in rows) / len(rows) if rows else None,
        margin, failure,
    )  # fmt: skip


def compare_preprocessing(case: Case, inputs: Inputs, own: Inputs) -> list[OutputResult]:
    """The images that the artifact's preprocessing makes otherwise than the model's own."""
    declared, wanted = case.as_declared(inputs), case.for_reference(own)
    results = []
    for name, rule in own.preprocessing.items():
        made = output_result(f"{name} (as fed)", "image", case, declared[name], wanted[name], None, _FED)
        theirs = inputs.preprocessing.get(name)
        given = {} if theirs is None else theirs.to_json()
        wrong = [
            f"{field} {given.get(field)}, and the model's is {value}"
            for field, value in rule.to_json().items()
            if given.get(field) != value
        ]
        if wrong:
            made = replace(made, failure=f"the artifact's preprocessing has the {', the '.join(wrong)}")
        results += [] if made.passed else [made]
    return results


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
