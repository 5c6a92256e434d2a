"""Holding one artifact's outputs against the model it was exported from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from ..reference.cases import Case, Inputs
from ..reference.loss import RoundingLoss, errors
from ..reference.places import as_good
from ..reference.references import Expected
from ..reference.rounding import Format
from ..source.arrays import Array
from ..source.signature import TensorSpec
from .boxes import by_matching, in_matching_order
from .metrics import Figures, agreement, figures
from .report import OutputResult
from .tolerances import MARGIN, ROUNDINGS, output_tolerance

__all__ = ["compare_outputs", "compare_preprocessing", "not_told", "output_result"]

# What the artifact is fed is float64 by the same formula: nothing is rounded but what that formula rounds.
_EXACT = Format(torch.float64, torch.float64)


def compare_outputs(
    case: Case, got: Mapping[str, Array], expected: Sequence[Expected], max_loss: float
) -> list[OutputResult]:
    """Every output of one case. On a photograph, ``max_loss`` is the share of the largest value that the number format may
    cost; where a case is what the model may be given, it may end before no value that counts."""
    got = in_matching_order(got, expected)
    results = [output_result(case, got.get(item.spec.name), item, max_loss) for item in expected]
    return by_matching(results, got, expected, max_loss)


def output_result(
    case: Case, got: Array | None, expected: Expected, max_loss: float = np.inf
) -> OutputResult:
    """One output against what rounding may cost it; one that is not there, or of another shape or kind, has failed."""
    want, spec = expected.want, expected.spec
    bound = output_tolerance(expected)
    nothing = OutputResult(
        name=spec.name,
        case=case.name,
        kind=case.kind,
        figures=Figures(np.inf, np.inf, float(np.abs(want.astype(float)).max(initial=0)), -np.inf, 0.0),
        noise_floor=None if expected.own is None else figures(expected.own, want),
        tolerance=bound,
        allowed=0.0,
        top1=None,
        top5=None,
        flipped_margin=None,
        failure=None,
    )
    if got is None:
        return replace(nothing, failure="the output is not there")
    if np.shape(got) != np.shape(want):
        return replace(
            nothing, failure=f"the output has the shape {list(np.shape(got))}, not {list(np.shape(want))}"
        )
    got = expected.without_own_end(got)
    found = replace(nothing, figures=figures(got, want))
    is_number = want.dtype.kind == "f"
    found = _of_numbers(found, got, expected) if is_number else _of_decisions(found, got, expected)
    lost = found.figures.max_rel
    if case.is_usual and found.failure is None and not found.flips:
        most = max_loss if case.kind == "photograph" else np.inf
        found = replace(found, too_lossy=_too_lossy(found, expected, lost, most))
    return found


def _of_numbers(result: OutputResult, got: Array, expected: Expected) -> OutputResult:
    want, bound, found = expected.want, result.tolerance, result.figures
    smooth = expected.loss.allowed(want, MARGIN, ROUNDINGS * expected.form.roundoff)
    limits = expected.loss.with_jumps(smooth)
    error = errors(got, want)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(error == 0, 0.0, error / limits)
    worst = np.unravel_index(int(np.argmax(shares)), shares.shape) if shares.size else ()
    share = float(shares[worst]) if shares.size else 0.0
    flips = int(((error > smooth) & (error <= limits)).sum())
    failure = None
    judges = bound.judges and not _ends(expected, limits)
    if judges and not share <= 1:
        where = f" at {[int(place) for place in worst]}" if limits.min() < limits.max() else ""
        failure = f"off by {error[worst]:.3g}{where}, and {limits[worst]:.3g} is allowed"
    elif judges and not flips and not found.cosine >= bound.cosine:
        failure = f"cosine {found.cosine:.8f}, and {bound.cosine} is the least"
    rows = agreement(got, want) if expected.spec.role in ("logits", "probabilities") and want.ndim else []
    return replace(
        result,
        allowed=found.max_abs / share if 0 < share < np.inf else float(limits.max(initial=0)),
        top1=sum(row.top1 for row in rows) / len(rows) if rows else None,
        top5=sum(row.top5 for row in rows) / len(rows) if rows else None,
        flipped_margin=min(
            (row.flipped_margin for row in rows if row.flipped_margin is not None), default=None
        ),
        failure=failure,
        flips=flips,
    )


def _of_decisions(result: OutputResult, got: Array, expected: Expected) -> OutputResult:
    """Integers and truths are right or wrong, but where rounding decides, or the format ends before what they are made of."""
    want = expected.want
    differs = got != want
    undecided = expected.loss.undecided(got, want)
    if differs.any() and expected.searched is not None:
        searched = expected.searched
        near = as_good(
            torch.from_numpy(searched.operand),
            torch.from_numpy(np.asarray(got)),
            torch.from_numpy(np.asarray(want)),
            searched.dim,
            2 * MARGIN * searched.loss.whole
            + ROUNDINGS * expected.form.roundoff * float(np.abs(searched.operand).max()),
        )
        undecided = undecided | near.numpy()
    wrong = int((differs & ~undecided).sum())
    if wrong and expected.loss.ended:
        return result
    return replace(
        result,
        flips=int((differs & undecided).sum()),
        failure=f"{wrong:,} of {want.size:,} are wrong" if wrong else None,
    )


def _ends(expected: Expected, limits: Array) -> bool:
    """Whether the format ends before a value that the output depends on: then outputs do not say whose fault that is."""
    return expected.loss.ended > float(limits.min(initial=0))


def _too_lossy(result: OutputResult, expected: Expected, lost: float, max_loss: float) -> str | None:
    name = expected.form.name
    if not np.isfinite(result.figures.max_abs):
        return f"{name} gives an infinite value, or none, where the model's is finite"
    if expected.loss.ended and result.figures.max_abs > result.allowed:
        cost = f"which costs {lost:.0%} of the largest" if np.isfinite(lost) else "which changes the result"
        return f"{name} ends before a value inside, {cost}"
    if (
        lost <= max_loss or not result.figures.largest
    ):  # of a result that is zero all over, no error is a share
        return None
    return f"{name} costs {lost:.0%} of the largest value, and {max_loss:.0%} is the most (--max-loss)"


def not_told(results: Sequence[OutputResult]) -> list[str]:
    """The outputs that cannot tell a right file from a wrong one on any photograph or noise. Unless operators are compared,
    nothing is shown of them."""
    found: dict[str, bool] = {}
    for item in results:
        if item.kind != "hostile":
            found[item.name] = found.get(item.name, False) or item.tolerance.judges
    return [
        f"{name}: rounding alone may change it so much that it cannot tell a right file from a wrong one; compare operators "
        "(with --weights or --model)"
        for name, judges in found.items()
        if not judges
    ]


def compare_preprocessing(case: Case, inputs: Inputs, own: Inputs) -> list[OutputResult]:
    """The images that the artifact's preprocessing makes otherwise than the model's own."""
    declared, wanted = case.as_declared(inputs, own), case.for_reference(own)
    results = []
    for name, rule in own.preprocessing.items():
        want = wanted[name]
        spec = TensorSpec(name, tuple(want.shape), role="image")
        expected = Expected(spec, want, _EXACT, RoundingLoss.of(want, []))
        made = replace(output_result(case, declared[name], expected), name=f"{name} (as fed)")
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
