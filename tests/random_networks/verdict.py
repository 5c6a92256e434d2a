"""What parity says of an export, and whether that is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from cloformer.errors import GateError, UnsupportedError
from cloformer.export.artifact.folder import read_artifact
from cloformer.export.parity.report import ParityReport, first_lossy
from cloformer.export.parity.tolerances import MAX_LOSS
from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.reference.references import References
from cloformer.export.source.signature import TensorSpec

from .oracle import Finding, hold, largest_inside

__all__ = ["Verdict", "judged"]

_LARGEST = {"fp16": 65504.0, "fp32": 3.4e38}
_LOSSY = 0.01  # of the largest value, by moved results: parity's bound is 0.10, of several roundings


@dataclass(frozen=True)
class Verdict:
    """``result`` is "passed", "refused", or what is said of a failure; ``words`` are what was found, or the error's lines;
    ``share`` is the largest error of the file's outputs over the oracle's bound; no ``report`` where nothing was written."""

    result: str
    words: str
    share: float = 0.0
    report: ParityReport | None = None


def judged(request: ExportRequest, network: nn.Module, specs: Sequence[TensorSpec], seed: int) -> Verdict:
    """Export what ``request`` names, in one format, and compare; the oracle holds the file to ``network``, which is the same
    one and takes ``specs``."""
    try:
        artifact, refused = export(request)[0].artifact, None
    except UnsupportedError as error:
        return Verdict("refused", "\n".join(error.lines))
    except GateError as error:
        (kept,) = request.output.glob("*-failed")
        artifact, refused = read_artifact(kept), "\n".join(error.lines)
    told = ParityRequest(model=request.model, spec=request.spec if request.spec.declared else None)
    report = compare(artifact, told, references=References())
    alone = compare(artifact, ParityRequest())
    truth = hold(artifact, network, specs, seed)
    found = _failures(report) or (_failures(alone) if not alone.passed else "") or (refused or "")
    if not found:
        return Verdict("passed" if truth.is_right else "believed", _told(truth), truth.share, report)
    beyond = largest_inside(network, specs, seed) > _LARGEST[request.precision or "fp32"] / 4
    result = _of_failure(report, truth, beyond=beyond)
    if result in ("too lossy", "overflow named"):
        found = refused or f"{found}; {_where(report)}"
    return Verdict(result, found if truth.is_right else f"{found}; {_told(truth)}", truth.share, report)


def _where(report: ParityReport) -> str:
    """The operator that parity names, or where as much is lost inside as an output may."""
    first = report.first_divergence
    if first is not None:
        return f"the first operator that {first.what}: {first}"
    lossy = first_lossy(report.operators, MAX_LOSS)
    return "" if lossy is None else lossy.lost


def _of_failure(report: ParityReport, truth: Finding, *, beyond: bool) -> str:
    """Parity says no: why, and whether that is so."""
    first = report.first_divergence
    if first is not None and first.verdict == "overflows" and beyond:
        return "overflow named"
    only_lossy = not report.not_compared and all(
        getattr(item, "failure", "") is None for item in report.failures
    )
    if only_lossy and truth.loss > _LOSSY:
        return "too lossy"
    if truth.is_right:
        return "false failure" if truth.tells else "undecided"
    is_named = first is not None and first.verdict == "wrong here"
    return "wrong, and named" if is_named else "misnamed"


def _failures(report: ParityReport) -> str:
    if report.passed:
        return ""
    operators = [
        f"{item} adds {item.own_error:.2g} where {item.tolerance:.2g} is allowed"
        for item in report.operators
        if not item.passed
    ]
    outputs = [f"{item.name} on {item.case}: {item.reason}" for item in report.outputs if not item.passed]
    statements = [str(item) for item in report.false_statements]
    return "; ".join([*operators[:2], *outputs[:2], *report.not_compared[:2], *statements[:2]])


def _told(truth: Finding) -> str:
    return "" if truth.is_right else f"by the oracle {truth.words} is off by {truth.share:.3g} of what may be"
