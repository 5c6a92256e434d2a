"""Holding one artifact against the model it was exported from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..artifact.folder import Artifact
from ..formats.runners import Array
from ..reference.cases import Case, Inputs
from ..source.postprocessing import softmax
from .metrics import Figures, agreement, figures
from .report import OutputResult
from .tolerances import OutputTolerance, output_tolerance

__all__ = ["compare_outputs", "compare_preprocessing", "output_result"]

_FED = OutputTolerance(2.0**-40, 1 - 2.0**-40, "the same pixels, normalized by the same formula in float64")


def compare_outputs(
    artifact: Artifact,
    case: Case,
    got: Mapping[str, Array],
    want: Sequence[Array],
    noise_floor: Sequence[Array] | None,
    *,
    is_device_runtime: bool,
    precision: str | None = None,
) -> list[OutputResult]:
    """Every output of one case. ``want`` are the model's own outputs in float64, ``noise_floor`` in float32.

    ``precision`` is what the candidate computes in; the artifact's own if None.
    """
    precision = precision or artifact.manifest.precision.activations
    tolerance = output_tolerance(precision, is_device_runtime, case.kind)
    results = []
    for index, spec in enumerate(artifact.signature.outputs):
        expected, noise = want[index], None if noise_floor is None else noise_floor[index]
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
    noise_floor: Array | None,
    bound: OutputTolerance,
) -> OutputResult:
    """One output against its tolerance; one that is not there, or of another shape, has failed."""
    noise = None if noise_floor is None else figures(noise_floor, want)
    if got is None or np.shape(got) != np.shape(want):
        what = (
            "is not there"
            if got is None
            else f"has the shape {list(np.shape(got))}, not {list(np.shape(want))}"
        )
        nothing = Figures(np.inf, np.inf, float(np.abs(want).max(initial=0)), -np.inf, 0.0)
        return OutputResult(
            name=name,
            case=case.name,
            kind=case.kind,
            figures=nothing,
            noise_floor=noise,
            tolerance=bound,
            allowed=0.0,
            top1=None,
            top5=None,
            flipped_margin=None,
            failure=f"the output {what}",
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
        name=name,
        case=case.name,
        kind=case.kind,
        figures=found,
        noise_floor=noise,
        tolerance=bound,
        allowed=allowed,
        top1=sum(row.top1 for row in rows) / len(rows) if rows else None,
        top5=sum(row.top5 for row in rows) / len(rows) if rows else None,
        flipped_margin=margin,
        failure=failure,
    )


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
