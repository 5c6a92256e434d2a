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
import torch
from torch.export import ExportedProgram

from cloformer.errors import CloformerError
from cloformer.export.artifact.folder import ORIGINS, Artifact, read_artifact
from cloformer.export.artifact.forms import form_of
from cloformer.export.artifact.origins import read_origins
from cloformer.export.artifact.rebuild import rebuild
from cloformer.export.formats.runners import RUNNERS, Runner, default_runner, open_model
from cloformer.export.parity.judge import Types, most_allowed
from cloformer.export.parity.operators import compare_operators
from cloformer.export.parity.outputs import compare_outputs
from cloformer.export.parity.report import OperatorResult, OutputResult
from cloformer.export.parity.request import ParityRequest, cases_of, of_each_kind
from cloformer.export.parity.tolerances import MARGIN, MAX_LOSS, ROUNDINGS, ROUNDOFF, output_tolerance
from cloformer.export.parity.verify import lowered_program
from cloformer.export.parity.walk import Walk
from cloformer.export.reference.cases import Case, Inputs, noise_case
from cloformer.export.reference.loss import errors
from cloformer.export.reference.natures import nature_of
from cloformer.export.reference.references import Expected, References

from . import more, operators, weights  # noqa: F401 - they enter their faults in the tables
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
    excess: float  # the largest change of an output that tells, over that output's bound
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

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        work: Path,
        faults: Mapping[str, Fault] = FAULTS,
        references: References | None = None,
        **model: str | Path | None,
    ) -> None:
        """``model`` and ``weights`` say which model it is, as for ``cloformer parity``; mutants go to ``work``. ``faults`` are
        those that are drawn from."""
        self.name, self.artifact, self.faults = name, read_artifact(folder), faults
        self.request = ParityRequest(**model)  # type: ignore[arg-type]
        self.roundoff = ROUNDOFF[self.artifact.manifest.precision.activations]
        self._smallest = {2.0**-11: 2.0**-24, 2.0**-24: 2.0**-149}[self.roundoff]
        self.work = work / f"{folder.name}-mutant"
        references = references or References()
        source = rebuild(
            self.artifact, model=self.request.model, weights=self.request.weights, models=references.models
        )
        assert source is not None
        self.program = lowered_program(self.artifact, source, references, lambda _: None)
        self.cases, _ = cases_of(self.artifact, self.request, source)
        self.compared = of_each_kind(self.cases)
        inputs = Inputs.of(self.artifact.function)
        is_device = RUNNERS[default_runner(self.artifact.format)].is_device_runtime
        form = form_of(
            self.artifact.format, self.artifact.manifest.precision.activations, narrow_sums=is_device
        )
        reference = references.written(source, self.artifact.manifest.request)
        self._expected = {
            case.name: reference.expected(case.for_reference(inputs), form, self.artifact.signature.outputs)
            for case in self.cases
        }
        with open_model(self.artifact.model) as runner:
            self._sound = {case.name: runner.values(case.for_candidate(inputs)) for case in self.cases}
            self._given = {case.name: runner.run(case.for_candidate(inputs)) for case in self.cases}
        entries = json.loads((folder / ORIGINS).read_bytes())["values"]
        self._nodes = {entry["value"]: tuple(entry["nodes"]) for entry in entries}
        self.places = cache(self._places)

    @cached_property
    def graph(self) -> Graph:
        if self.artifact.format == "onnx":
            from .onnx_graph import OnnxGraph as Kind
        elif self.artifact.format == "litert":
            from .litert_graph import LiteRtGraph as Kind  # type: ignore[assignment]
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
        possible = [fault for fault in self.faults.values() if self.places(fault)]
        fault = possible[int(random.integers(len(possible)))]
        places = self.places(fault)
        return fault, places[int(random.integers(len(places)))]

    def plant(self, fault: Fault, operator: Operator, seed: int) -> tuple[Artifact, str]:
        """The damaged artifact, and what was done in words."""
        self.graph.restore()
        what = fault.plant(self.graph, operator, np.random.default_rng((seed, 1)))
        return self.graph.write(self.work), what

    def _site(self, operator: Operator) -> tuple[str, ...]:
        """The trace's nodes that an operator computes; of one that the exporter wrote by itself, those that it leads to."""
        values, seen = set(operator.outputs), set(operator.outputs)
        while values:
            found = dict.fromkeys(node for value in sorted(values) for node in self._nodes.get(value, ()))
            if found:
                return tuple(found)
            readers = [other for other in self.graph.operators if values & set(other.reads.values())]
            values = {value for other in readers for value in other.outputs} - seen
            seen |= values
        return ()

    def try_fault(self, fault: Fault, operator: Operator, seed: int) -> Trial:
        """Plant it, and compare as ``cloformer parity`` does by default."""
        start = time.monotonic()
        mutant, what = self.plant(fault, operator, seed)
        site = self._site(operator)
        refused, change, missing, excess = None, math.inf, [], math.inf
        results: list[OperatorResult] = []
        outputs: list[OutputResult] = []
        try:
            with open_model(mutant.model) as runner:
                results, missing = _compared(mutant, self.program, runner, self.compared)
                outputs, excess = self._outputs(mutant, runner)
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
            excess=excess,
            refused=refused,
            seconds=round(time.monotonic() - start, 2),
        )

    def gives_the_same(self, fault: Fault, operator: Operator, seed: int) -> bool:
        """Whether the damaged artifact gives the sound one's outputs to the last bit, on all of parity's inputs: a relu may
        let nothing through of what was changed."""
        mutant, _ = self.plant(fault, operator, seed)
        inputs = Inputs.of(mutant.function)
        with open_model(mutant.model) as runner:
            found = {case.name: runner.run(case.for_candidate(inputs)) for case in self.cases}
        return all(
            np.array_equal(value, found[case][name], equal_nan=value.dtype.kind == "f")
            for case, given in self._given.items()
            for name, value in given.items()
        )

    def false_alarms(self, seeds: range) -> list[str]:
        """What the comparison of operators finds on other noise where there is nothing to find."""
        inputs = Inputs.of(self.artifact.function)
        cases = [noise_case(inputs, seed) for seed in seeds]
        with open_model(self.artifact.model) as runner:
            results, missing = _compared(self.artifact, self.program, runner, cases)
        return [f"{result} on {result.case}" for result in results if not result.passed] + missing

    def compared_operators(self, artifact: Artifact) -> list[OperatorResult]:
        """Of this artifact or a mutant of it, as parity compares them."""
        with open_model(artifact.model) as runner:
            results, _ = _compared(artifact, self.program, runner, self.compared)
        return results

    def most_allowed(self) -> dict[str, float]:
        """What passes of each value of the sound artifact that holds numbers, in roundings of its largest magnitude: the
        least of any input."""
        inputs, types = Inputs.of(self.artifact.function), Types.of(self.artifact.manifest.precision)
        origins = read_origins(self.artifact)
        found: dict[str, float] = {}
        for case in self.compared:
            candidate = origins.candidate(self._sound[case.name])
            fed = case.for_candidate(inputs)
            for item in Walk(self.program, fed, candidate, stored=getattr(torch, types.stored)):
                if item.drift.given_actual_inputs.is_floating_point() and item.drift.candidate.numel():
                    steps = sum(origins.steps.get(node, 0) for node in item.names)
                    value = origins.equals[item.node]
                    allowed = most_allowed(item, steps, types) / self.roundoff
                    found[value] = min(found.get(value, math.inf), allowed)
        return found

    def kind_of(self, result: OperatorResult) -> str:
        """What is done to numbers by the nodes that are computed together."""
        targets = {node.name: node.target for node in self.program.graph.nodes}
        kinds = [nature_of(targets[name]) for name in result.group]
        computing = [kind for kind in kinds if kind != "moves"]
        return "moves" if not computing else computing[0] if len(computing) == 1 else "several together"

    def holds_numbers(self, value: str) -> bool:
        """Whether a value of the written model is floating-point numbers."""
        return self._sound[self.compared[0].name][value].dtype.kind == "f"

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

    def _outputs(self, mutant: Artifact, runner: Runner) -> tuple[list[OutputResult], float]:
        """What the comparison of outputs says on every case, and how far any of them was changed, over its bound."""
        inputs, results, excess = Inputs.of(mutant.function), [], 0.0
        for case in self.cases:
            got, expected = runner.run(case.for_candidate(inputs)), self._expected[case.name]
            results += compare_outputs(case, got, expected, MAX_LOSS)
            excess = max(excess, *(_excess(got, self._given[case.name], item) for item in expected))
        return results, excess


def _excess(got: Mapping[str, Array], sound: Mapping[str, Array], expected: Expected) -> float:
    """The largest change of an output over what may pass there; 0 of one that does not tell."""
    before, after = sound[expected.spec.name], got[expected.spec.name]
    if before.dtype.kind != "f":
        return math.inf if (before != after).any() else 0.0
    if not output_tolerance(expected).judges or expected.loss.ended:
        return 0.0
    smooth = expected.loss.allowed(expected.want, MARGIN, ROUNDINGS * expected.form.roundoff)
    change, limits = errors(after, before), expected.loss.with_jumps(smooth)
    shares = np.divide(change, limits, out=np.where(change > 0, np.inf, 0.0), where=limits > 0)
    return float(shares.max(initial=0))


def _compared(
    artifact: Artifact, program: ExportedProgram, runner: Runner, cases: Sequence[Case]
) -> tuple[list[OperatorResult], list[str]]:
    """The operators of an artifact on these cases, as parity compares them."""
    inputs, types = Inputs.of(artifact.function), Types.of(artifact.manifest.precision)
    fed = [(case.name, case.for_candidate(inputs)) for case in cases]
    return compare_operators(runner, program, read_origins(artifact), types, fed)
