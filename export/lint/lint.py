"""Hold written models to the rules."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from cloformer.errors import choose
from cloformer.io.progress import Progress

from ..artifact.folder import Artifact
from ..artifact.origins import Origins, read_origins
from ..formats import FORMATS
from ..formats.view import OperatorView
from ..parity.request import ParityRequest, photographs_of
from ..reference.cases import Case, Inputs, noise_case
from ..source.origin import Origin
from .graph import Graph
from .measure import measure
from .rule import Finding, Rule, Severity
from .rules import RULES

__all__ = ["ANY", "Gate", "LintReport", "NotChecked", "lint", "origin_of"]

ANY = "any"
_HALF = "float16"


@dataclass(frozen=True)
class NotChecked:
    """A rule that could not be held to the file, and why."""

    rule: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return {"rule": self.rule, "reason": self.reason}


@dataclass(frozen=True)
class LintReport:
    """What was found in an artifact, in the order of its operators. ``checked`` are the rules that were held to it, ``not_checked``
    those that are for it and could not be; all others are for other formats or precisions. ``cases`` are what it was run on."""

    artifact: str
    format: str
    precision: str
    operators: int
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    not_checked: tuple[NotChecked, ...]
    cases: tuple[str, ...]
    unreadable: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {
            "schema_version": 1,
            "artifact": self.artifact,
            "format": self.format,
            "precision": self.precision,
            "operators": self.operators,
            "cases": list(self.cases),
            "unreadable": list(self.unreadable),
            "checked": list(self.checked),
            "not_checked": [item.to_json() for item in self.not_checked],
            "findings": [item.to_json() for item in self.findings],
        }


@dataclass(frozen=True)
class Gate:
    """What fails: names of rules, or of a severity, which stands for what is as bad or worse, or ``any``."""

    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.names:
            choose("rule", name, self.choices(), "--fail-on")

    @staticmethod
    def choices() -> list[str]:
        """What a gate may name."""
        return [ANY, *(item.value for item in Severity), *RULES]

    def holds_to(self, rule: Rule) -> bool:
        """Whether a finding of the rule fails."""
        weights = [item.weight for item in Severity if item.value in self.names]
        return (
            ANY in self.names
            or rule.name in self.names
            or any(rule.severity.weight >= least for least in weights)
        )

    def failures(self, report: LintReport) -> list[Finding | NotChecked]:
        """The findings that fail, and the rules that could not be checked: what nobody looked for is not absent."""
        unknown = [item for item in report.not_checked if self.holds_to(RULES[item.rule])]
        return [*(item for item in report.findings if self.holds_to(item.rule)), *unknown]


def lint(artifact: Artifact, request: ParityRequest, progress: Progress = lambda _: None) -> LintReport:
    """Hold an artifact to every rule for its format and precision. Rules about magnitudes run it, on the request's photographs, or
    the one that comes with the package, and on noise.

    Raises :class:`InputError` for a file or images that cannot be read.
    """
    is_half = artifact.manifest.precision.activations == _HALF
    rules = [rule for rule in RULES.values() if rule.is_for(artifact.format, is_half=is_half)]
    view = FORMATS[artifact.format].view(artifact.model.path)
    graph, reason = Graph(view), None
    cases: Sequence[Case] = ()
    unreadable: list[str] = []
    if any(rule.measures for rule in rules):
        cases, unreadable = _cases(artifact, request)
        found = measure(artifact, view, cases, progress)
        reason = found if isinstance(found, str) else None
        graph = graph if isinstance(found, str) else Graph(view, found)
    unknown = [rule for rule in rules if rule.measures and reason is not None]
    places = read_origins(artifact)
    findings = [
        Finding(
            rule,
            item.operator.native,
            item.operator.value,
            origin_of(graph, places, item.operator),
            item.met,
            rule.flags.get(artifact.format),
        )
        for rule in rules
        if rule not in unknown
        for item in rule.find(graph)
        if rule.results in ("", graph.dtype(item.operator.value))
    ]
    order = {operator.value: place for place, operator in enumerate(view.operators)}
    return LintReport(
        artifact=str(artifact.folder),
        format=artifact.format,
        precision=artifact.manifest.precision.name,
        operators=len(view.operators),
        findings=tuple(sorted(findings, key=lambda item: order[item.value])),
        checked=tuple(rule.name for rule in rules if rule not in unknown),
        not_checked=tuple(NotChecked(rule.name, reason or "") for rule in unknown),
        cases=tuple(case.name for case in cases) if reason is None else (),
        unreadable=tuple(unreadable),
    )


def _cases(artifact: Artifact, request: ParityRequest) -> tuple[Sequence[Case], list[str]]:
    inputs = Inputs.of(artifact.function)
    photographs, unreadable = photographs_of(inputs, request)
    return [*photographs, noise_case(inputs, request.seed)], unreadable


def origin_of(graph: Graph, origins: Origins, operator: OperatorView) -> Origin:
    """Where an operator comes from; of a step on the way, where the next value comes from that is known, or else the one before."""
    every = frozenset(item.kind for item in graph.view.operators)
    values = itertools.chain(
        operator.outputs,
        (name for item in graph.after(operator, every) for name in item.outputs),
        (name for item in graph.before(operator, every) for name in item.outputs),
    )
    return next((origins.places[name] for name in values if name in origins.places), Origin("", "", ""))
