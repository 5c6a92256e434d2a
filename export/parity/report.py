"""What parity found: frozen values that carry numbers and reasons. They print nothing; writers do.

An output, an operator or an image that could not be compared fails the comparison.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict

from cloformer.io.read import sha256_of

from ..artifact.folder import MANIFEST, Artifact
from .cliffs import FoundCliff
from .cost import Cost
from .metrics import Figures
from .operator_costs import OperatorCost
from .tolerances import OutputTolerance

__all__ = [
    "OperatorResult",
    "OutputResult",
    "ParityReport",
    "Statement",
    "described",
    "first_lossy",
    "first_out_of_line",
]


@dataclass(frozen=True)
class OutputResult:
    """One output on one input. ``noise_floor`` is PyTorch's own float32 against the float64 reference.

    ``failure`` says why the file is not the model, ``too_lossy`` that it is, and that the number format costs too much.
    ``flips`` are integers and truths that differ where rounding decides: they are counted and not judged.
    ``name`` of a classifier's logits, which the model does not give, ends in " (inside)".
    """

    name: str
    case: str
    kind: str  # of the input: photograph, noise, hostile
    figures: Figures
    noise_floor: Figures | None
    tolerance: OutputTolerance
    # In the output's units: ``max_abs`` over it is the largest share that any part of the output takes of what it may.
    allowed: float
    top1: float | None  # share of rows whose first class agrees; None if it is no classifier's output
    top5: float | None
    flipped_margin: float | None
    failure: str | None
    too_lossy: str | None = None
    flips: int = 0

    @property
    def passed(self) -> bool:
        return self.reason is None

    @property
    def reason(self) -> str | None:
        """Why it fails: the file is not the model, or the number format costs the model too much."""
        return self.failure if self.failure is not None else self.too_lossy

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "case": self.case,
            "kind": self.kind,
            "figures": self.figures.to_json(),
            "pytorch_float32": None if self.noise_floor is None else self.noise_floor.to_json(),
            "tolerance": self.tolerance.to_json() | {"max_abs": _finite(self.allowed)},
            "top1": self.top1,
            "top5": self.top5,
            "flipped_margin": _finite(self.flipped_margin),
            "passed": self.passed,
            "failure": self.failure,
            "too_lossy": self.too_lossy,
            "flips": self.flips,
        }


@dataclass(frozen=True)
class OperatorResult:
    """One value inside, worst over the inputs that operators were compared on.

    ``own_error`` is what its own operator did wrong, given what it was actually given, and ``total_error`` how
    far it is from the reference; both over the largest magnitude of the value, as ``tolerance`` is.
    ``group`` are the trace's nodes that are computed together, ``reads`` the values it was made from.
    ``verdict`` is "right"; "wrong here"; "overflows", where the number format ends before the result that it was given the
    operands for; or "inherited": right in itself, computed from values that diverged before. ``flips`` are elements that
    are decided otherwise where a rounding decides: they are counted and not judged. ``cliff`` is the published cliff of the
    Neural Engine that it meets in the arithmetic that emulates them ("" for none).
    """

    value: str
    node: str
    operator: str
    module: str
    location: str
    group: tuple[str, ...]
    reads: tuple[str, ...]
    depth: int
    own_error: float
    total_error: float
    tolerance: float
    largest: float
    case: str
    verdict: str
    flips: int = 0
    cliff: str = ""

    @property
    def passed(self) -> bool:
        """The outputs say whether an overflow costs anything: of a mask's large numbers it does not."""
        return self.verdict != "wrong here"

    @property
    def what(self) -> str:
        """What is wrong with it, after "the first operator that": "is right" if nothing is."""
        return {
            "wrong here": "adds an error that rounding does not explain",
            "overflows": f"overflows the number format (its largest result is {self.largest:.3g})",
        }.get(self.verdict, "is right")

    @property
    def lost(self) -> str:
        """Of the first result that has lost as much as outputs may: how much, and where."""
        return f"first lost inside: {self.total_error:.0%} of the largest value of {self}"

    def __str__(self) -> str:
        where = (
            f"{self.module or 'the model'} ({self.location})" if self.location else self.module or self.node
        )
        fused = f", fused with {', '.join(self.group[:-1][:4])}" if len(self.group) > 1 else ""
        return f"{self.operator} {self.node} at {where}{fused}"

    def to_json(self) -> dict[str, object]:
        figures = ("own_error", "total_error", "tolerance", "largest")
        finite = {name: _finite(getattr(self, name)) for name in figures}
        lists = {"group": list(self.group), "reads": list(self.reads)}
        return asdict(self) | finite | lists | {"passed": self.passed}


def first_out_of_line(operators: Sequence[OperatorResult], *, overflows: bool) -> OperatorResult | None:
    """Of operators in the order they run the first that is wrong in itself, or, where ``overflows`` count, the first that the
    number format ends before: that is named where what is wrong was given the infinities that it made, and otherwise last,
    for the large numbers of a mask cost nothing."""
    from_infinity: set[str] = set()
    for item in operators:
        makes_infinity = item.verdict == "overflows" and math.isinf(item.total_error)
        if makes_infinity or not from_infinity.isdisjoint(item.reads):
            from_infinity.add(item.node)
    wrong = [item for item in operators if not item.passed]
    ended = [item for item in operators if overflows and item.verdict == "overflows"]
    own = [item for item in wrong if item.node not in from_infinity]
    return next(iter([*own, *ended, *wrong]), None)


def first_lossy(operators: Sequence[OperatorResult], share: float) -> OperatorResult | None:
    """Of operators in the order they run the first whose result has lost ``share`` of its largest value, by its own rounding and
    all before it; of none that has, the one that has lost most. None where nothing is lost."""
    most = max((item.total_error for item in operators), default=0.0)
    least = min(share, most)
    return next((item for item in operators if most and item.total_error >= least), None)


@dataclass(frozen=True)
class Statement:
    """Something that an artifact says of itself, and whom it was held against ("the checkpoint", "--labels", "the file");
    None if nobody else says it. ``problem`` is None if it is right."""

    about: str
    against: str | None
    problem: str | None

    @property
    def verdict(self) -> str:
        if self.problem is not None:
            return "wrong"
        return "not checked" if self.against is None else "right"

    def __str__(self) -> str:
        return f"{self.about} (held against {self.against}): {self.problem or self.verdict}"

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"verdict": self.verdict}


@dataclass(frozen=True)
class ParityReport:
    """The whole comparison of one artifact with one runner.

    ``reference`` says what it was compared with; ``not_compared`` lists what could not be, each of which is
    a failure; ``operators_total`` counts also the values that are steps on the way to one that was compared.
    ``costs`` are there where weights are compressed, or limits were asked, and ``operator_costs``, the largest share first, where
    weights are compressed. ``cliffs`` are the published ones of the Neural Engine that were met, where the arithmetic emulates them. ``statements`` are what the artifact says of itself; with ``requires_all``, one that nobody else could confirm fails.
    """

    artifact: str
    model: str
    format: str
    precision: str
    target: str
    image_size: str
    runner: str
    is_device_runtime: bool
    arithmetic: str
    reference: str
    outputs: tuple[OutputResult, ...]
    operators: tuple[OperatorResult, ...]
    operators_total: int
    not_compared: tuple[str, ...]
    notes: tuple[str, ...]
    environment: Mapping[str, str]
    manifest_sha256: str
    statements: tuple[Statement, ...] = ()
    requires_all: bool = False
    costs: tuple[Cost, ...] = ()
    operator_costs: tuple[OperatorCost, ...] = ()
    cliffs: tuple[FoundCliff, ...] = ()

    @property
    def passed(self) -> bool:
        found = (self.not_compared, self.failures, self.false_statements, self.too_costly)
        return bool(self.outputs) and not any(found)

    @property
    def too_costly(self) -> list[Cost]:
        """The outputs that have lost more than was asked."""
        return [item for item in self.costs if item.problem is not None]

    @property
    def false_statements(self) -> list[Statement]:
        """Those that are wrong, and those that could not be checked where all must be."""
        failing = ("wrong", "not checked") if self.requires_all else ("wrong",)
        return [item for item in self.statements if item.verdict in failing]

    @property
    def failures(self) -> list[OutputResult | OperatorResult]:
        results: list[OutputResult | OperatorResult] = [*self.outputs, *self.operators]
        return [item for item in results if not item.passed]

    @property
    def first_divergence(self) -> OperatorResult | None:
        """The first operator whose own error is out of line; or that overflows, if an output fails."""
        return first_out_of_line(self.operators, overflows=not all(item.passed for item in self.outputs))

    @property
    def first_loss(self) -> OperatorResult | None:
        """Where outputs are the model's and have lost too much, and no operator is out of line: the first operator whose result has
        lost as large a share as the least of them."""
        lost = [item.figures.max_rel for item in self.outputs if item.too_lossy is not None]
        if not lost or self.first_divergence is not None:
            return None
        return first_lossy(
            self.operators, min(lost, key=lambda share: math.inf if math.isnan(share) else share)
        )

    def to_json(self) -> dict[str, object]:
        first, loss = self.first_divergence, self.first_loss
        return {
            "schema_version": 1,
            "passed": self.passed,
            "artifact": self.artifact,
            "model": self.model,
            "format": self.format,
            "precision": self.precision,
            "target": self.target,
            "image_size": self.image_size,
            "runner": self.runner,
            "is_device_runtime": self.is_device_runtime,
            "arithmetic": self.arithmetic,
            "reference": self.reference,
            "manifest_sha256": self.manifest_sha256,
            "outputs": [item.to_json() for item in self.outputs],
            "operators": [item.to_json() for item in self.operators],
            "operators_total": self.operators_total,
            "first_divergence": None if first is None else first.to_json(),
            "first_loss": None if loss is None else loss.to_json(),
            "not_compared": list(self.not_compared),
            "costs": [item.to_json() for item in self.costs],
            "operator_costs": [item.to_json() for item in self.operator_costs],
            "cliffs": [item.to_json() for item in self.cliffs],
            "statements": [item.to_json() for item in self.statements],
            "notes": list(self.notes),
            "environment": dict(self.environment),
        }


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: None stands for it."""
    return value if value is not None and math.isfinite(value) else None


class Described(TypedDict):
    """Fields of :class:`ParityReport`."""

    artifact: str
    model: str
    format: str
    precision: str
    target: str
    image_size: str
    manifest_sha256: str


def described(artifact: Artifact) -> Described:
    """The fields of a report that are the artifact's, wherever it ran."""
    manifest, spec = artifact.manifest, artifact.signature.inputs[0]
    return {
        "artifact": artifact.folder.name,
        "model": manifest.name,
        "format": artifact.format,
        "precision": manifest.precision.name,
        "target": manifest.request.version_of_format,
        "image_size": " x ".join(map(str, spec.shape[2:] if spec.role == "image" else spec.shape)),
        "manifest_sha256": sha256_of(artifact.folder / MANIFEST),
    }
