"""One sound artifact, and what parity says of it with a fault planted."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from torch.export import ExportedProgram

from cloformer.errors import CloformerError
from cloformer.export.artifact.folder import ORIGINS, Artifact, read_artifact
from cloformer.export.artifact.origins import read_origins
from cloformer.export.artifact.rebuild import rebuild
from cloformer.export.formats.runners import RUNNERS, Runner, default_runner, open_model
from cloformer.export.parity.judge import Types
from cloformer.export.parity.operators import compare_operators
from cloformer.export.parity.outputs import compare_outputs
from cloformer.export.parity.report import OperatorResult, OutputResult
from cloformer.export.parity.request import ParityRequest, cases_of, of_each_kind
from cloformer.export.parity.tolerances import MAX_LOSS, ROUNDOFF
from cloformer.export.parity.verify import _program
from cloformer.export.reference.cases import Case, Inputs, noise_case
from cloformer.export.reference.references import References
from cloformer.export.reference.rounding import Format

from . import operators, weights  # noqa: F401 - they enter their faults in the table
from .faults import FAULTS, Fault
from .graph import Array, Graph, Operator

__all__ = ["COUNTS", "Subject", "Trial"]

COUNTS = 4.0  # a fault counts from this many roundings of its operator's largest result on


@dataclass(frozen=True)
class Trial:
    """One fault and what parity found. ``change`` is what it did to its own operator's result, given the same
    inputs, ``own_error`` what parity measured there and ``allowed`` its tolerance, all in roundings of the
    result's largest magnitude."""

    subject: str
    seed: int
    fault: str
    kind: str
    value: str
    what: str
    change: float
    caught_by_operators: bool
    caught_by_outputs: bool
    site: tuple[str, ...]  # the trace's nodes that the damaged operator computes
    first: str | None  # where parity says that it goes wrong
    named: bool  # and that is one of ``site``, or the group it was fused into
    own_error: float
    allowed: float
    refused: str | None  # what the runtime said if it did not run the file at all
    seconds: float

    @property
    def format(self) -> str:
        return self.subject.partition(" ")[0]

    @property
    def counts(self) -> bool:
        return self.change >= COUNTS and self.refused is None

    @property
    def caught(self) -> bool:
        return self.caught_by_operators or self.caught_by_outputs


class Subject:
    """An artifact, its model, and everything about it that does not change from one fault to the next."""

    def __init__(self, name: str, folder: Path, *, work: Path, **model: str | Path | None) -> None:
        """``model`` and ``weights`` say which model it is, as for ``cloformer parity``; mutants go to ``work``."""
        self.name, self.artifact = name, read_artifact(folder)
        self.request = ParityRequest(**model)  # type: ignore[arg-type]
        self.roundoff = ROUNDOFF[self.artifact.manifest.precision.activations]
        self._smallest = {2.0**-11: 2.0**-24, 2.0**-24: 2.0**-149}[self.roundoff]
        self._work = work / f"{folder.name}-mutant"
        source = rebuild(self.artifact, model=self.request.model, weights=self.request.weights)
        assert source is not None
        references = References()
        self.program = _program(self.artifact, source, references.models, lambda _: None)
        self.cases = cases_of(self.artifact, self.request, source)
        self.compared = of_each_kind(self.cases)
        inputs = Inputs.of(self.artifact.function)
        is_device = RUNNERS[default_runner(self.artifact.format)].is_device_runtime
        form = Format.of(self.artifact.manifest.precision.activations, narrow_sums=is_device)
        reference = references.of(source)
        self._expected = {
            case.name: reference.expected(case.for_reference(inputs), form, self.artifact.signature.outputs)
            for case in self.cases
        }
        with open_model(self.artifact.model) as runner:
            self._sound = {case.name: runner.values(case.for_candidate(inputs)) for case in self.cases}
        entries = json.loads((folder / ORIGINS).read_bytes())["values"]
        self._nodes = {entry["value"]: tuple(entry["nodes"]) for entry in entries}
        self.places = cache(self._places)

    @cached_property
    def graph(self) -> Graph:
        if self.artifact.format == "onnx":
            from .onnx_graph import OnnxGraph as Kind
        else:
            from .mil_graph import MilGraph as Kind  # type: ignore[assignment]
        graph = Kind(self.artifact)
        first = self.compared[0]
        for values in (first.values, self._sound[first.name]):
            graph.shapes |= {name: np.shape(value) for name, value in values.items()}
        return graph

    def _places(self, fault: Fault) -> list[Operator]:
        """The operators that the fault can be planted at."""
        return [operator for operator in self.graph.operators if fault.fits(self.graph, operator)]

    def draw(self, seed: int) -> tuple[Fault, Operator]:
        """A fault and its site: every kind of fault is as likely, and then every site."""
        random = np.random.default_rng((seed, 0))
        possible = [fault for fault in FAULTS.values() if self.places(fault)]
        fault = possible[int(random.integers(len(possible)))]
        places = self.places(fault)
        return fault, places[int(random.integers(len(places)))]

    def plant(self, fault: Fault, operator: Operator, seed: int) -> tuple[Artifact, str]:
        """The damaged artifact, and what was done in words."""
        self.graph.restore()
        what = fault.plant(self.graph, operator, np.random.default_rng((seed, 1)))
        return self.graph.write(self._work), what

    def try_fault(self, fault: Fault, operator: Operator, seed: int) -> Trial:
        """Plant it, and compare as ``cloformer parity`` does by default."""
        start = time.monotonic()
        mutant, what = self.plant(fault, operator, seed)
        site = tuple(dict.fromkeys(node for value in operator.outputs for node in self._nodes.get(value, ())))
        refused, change, missing = None, math.inf, []
        results: list[OperatorResult] = []
        outputs: list[OutputResult] = []
        try:
            with open_model(mutant.model) as runner:
                results, missing = _compared(mutant, self.program, runner, self.compared)
                outputs = self._outputs(mutant, runner)
                change = self._change(operator, runner)
        except CloformerError as error:
            refused = error.lines[0]
        wrong = [result for result in results if not result.passed]
        first = wrong[0] if wrong else None
        here = next((result for result in results if {result.node, *result.group} & set(site)), None)
        return Trial(
            subject=self.name,
            seed=seed,
            fault=fault.name,
            kind=operator.kind,
            value=operator.outputs[0],
            what=what,
            change=change,
            caught_by_operators=bool(wrong or missing or refused),
            caught_by_outputs=bool(refused) or not all(result.passed for result in outputs),
            site=site,
            first=None if first is None else str(first),
            named=first is not None and bool({first.node, *first.group} & set(site)),
            own_error=math.nan if here is None else here.own_error / self.roundoff,
            allowed=math.nan if here is None else here.tolerance / self.roundoff,
            refused=refused,
            seconds=round(time.monotonic() - start, 2),
        )

    def false_alarms(self, seeds: range) -> list[str]:
        """What the comparison of operators finds on other noise where there is nothing to find."""
        inputs = Inputs.of(self.artifact.function)
        cases = [noise_case(inputs, seed) for seed in seeds]
        with open_model(self.artifact.model) as runner:
            results, missing = _compared(self.artifact, self.program, runner, cases)
        return [f"{result} on {result.case}" for result in results if not result.passed] + missing

    def _change(self, operator: Operator, runner: Runner) -> float:
        """How much the operator's own results changed, in roundings of their largest magnitude: the most on
        any of parity's inputs, those whose operators are not compared included."""
        inputs = Inputs.of(self.artifact.function)
        return max(
            self._change_on(case, operator, runner.values(case.for_candidate(inputs))) for case in self.cases
        )

    def _change_on(self, case: Case, operator: Operator, found: Mapping[str, Array]) -> float:
        changes = [0.0]
        for value in operator.outputs:
            want, got = self._sound[case.name][value].astype(np.float64), found[value].astype(np.float64)
            if want.shape != got.shape:
                return math.inf
            difference = np.nan_to_num(np.abs(got - want), nan=np.inf).max(initial=0)
            changes.append(difference / max(np.abs(want).max(initial=0) * self.roundoff, self._smallest))
        return float(max(changes))

    def _outputs(self, mutant: Artifact, runner: Runner) -> list[OutputResult]:
        inputs = Inputs.of(mutant.function)
        return [
            result
            for case in self.cases
            for result in compare_outputs(
                case, runner.run(case.for_candidate(inputs)), self._expected[case.name], MAX_LOSS
            )
        ]


def _compared(
    artifact: Artifact, program: ExportedProgram, runner: Runner, cases: Sequence[Case]
) -> tuple[list[OperatorResult], list[str]]:
    """The operators of an artifact on these cases, as parity compares them."""
    inputs, precision = Inputs.of(artifact.function), artifact.manifest.precision
    types = Types(precision.activations, precision.weights)
    fed = [(case.name, case.for_candidate(inputs)) for case in cases]
    return compare_operators(runner, program, read_origins(artifact), types, fed)
