"""From an artifact to a :class:`ParityReport`: find the reference, run both, compare outputs and operators."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from cloformer.errors import UnsupportedError, UsageError
from cloformer.io.progress import Progress, Stage, part

from ..artifact.folder import Artifact
from ..artifact.forms import form_of
from ..artifact.origins import read_origins
from ..artifact.vectors import read_vectors
from ..formats import FORMATS
from ..formats.coreml.cliffs import MeetsCliffs
from ..formats.runners import (
    GRAPH,
    RUNNERS,
    Array,
    Noting,
    Runner,
    RunnerRow,
    default_runner,
    open_graph,
    open_model,
)
from ..reference.cases import Case, Inputs
from ..reference.references import Expected, References, in_roles
from ..reference.rounding import Format
from ..reference.threads import one_thread
from .answered import answered
from .cliffs import FoundCliff, found_cliffs
from .cost import Cost, Outcome, costs
from .judge import Types
from .operator_costs import OperatorCost, costs_of_operators
from .operators import compare_operators, program_origins, with_cliffs
from .outputs import compare_outputs, compare_preprocessing, not_told, output_result
from .report import OperatorResult, OutputResult, ParityReport, Statement, described
from .request import ParityRequest, cases_of, of_each_kind, source_of
from .statements import statements_of_the_file, statements_of_the_model, unknown_statements
from .yardstick import Yardstick

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..source.resolve import Source

__all__ = ["OnCase", "ParityRequest", "compare", "lowered_program", "show", "source_of"]

# Of the time of a comparison, what lies behind it when the model is traced, outputs are compared, and operators too.
_TRACED, _COMPARED, _ALL = 0.08, 0.5, 0.97
OnCase = Callable[[Case, Sequence[OutputResult], Sequence[Array], Sequence[Array]], None]

_INSIDE = "logits (inside)"  # of a classifier that gives probabilities alone


@dataclass(frozen=True)
class _Session:
    """What is compared: an artifact on a runner, entered; and who is told of it."""

    artifact: Artifact
    runner: Runner
    name: str
    request: ParityRequest
    progress: Progress
    on_case: OnCase

    @property
    def row(self) -> RunnerRow:
        return RUNNERS[self.name]

    @property
    def inputs(self) -> Inputs:
        return Inputs.of(self.artifact.function)

    @property
    def precision(self) -> str:
        """The type that is computed in: the artifact's, but the graph before it is written computes in float32."""
        return "float32" if self.name == GRAPH else self.artifact.manifest.precision.activations

    @property
    def form(self) -> Format:
        """What every result is rounded to. What a device's runtime adds up in is not published, so it may be narrow. The
        emulated Neural Engine adds up wide, as it is reported to, so it is judged as wide: a cliff is no rounding."""
        is_narrow = self.row.is_device_runtime or self.request.options.arithmetic == "narrow"
        return form_of(self.artifact.format, self.precision, narrow_sums=is_narrow)

    @property
    def stored(self) -> str:
        """The type that constants are kept in."""
        return "float32" if self.name == GRAPH else self.artifact.manifest.precision.constants


@dataclass(frozen=True)
class _Findings:
    """What was found, and what it was compared with."""

    reference: str
    outputs: list[OutputResult]
    operators: list[OperatorResult]
    not_compared: list[str]
    notes: list[str]
    statements: list[Statement]
    costs: list[Cost] = field(default_factory=list)
    operator_costs: list[OperatorCost] = field(default_factory=list)
    cliffs: list[FoundCliff] = field(default_factory=list)


def compare(
    artifact: Artifact,
    request: ParityRequest,
    progress: Progress = lambda _: None,
    on_case: OnCase = lambda *_: None,
    references: References | None = None,
) -> ParityReport:
    """Compare an artifact with the model it was exported from, or with the vectors it carries.

    ``on_case`` is given every case with its results and the arrays that were compared. Calls that share
    ``references`` make, trace and compute a model once. Raises the errors of :mod:`cloformer.errors` for what cannot be run
    at all; what ran and could not be compared is in the report, as a failure.
    """
    name = request.runner or default_runner(artifact.format)
    if name != GRAPH:
        runner = open_model(artifact.model, name, request.options)
    progress(Stage("making the reference model", 0.0))
    references = references or References()
    source = source_of(artifact, request, references)
    program = None
    if source is not None and (request.operators or name == GRAPH or _hides_logits(artifact)):
        program = lowered_program(artifact, source, references, progress)
    if name == GRAPH:
        runner = open_graph(artifact.model, _given(program), request.options)
    with one_thread(), runner:
        session = _Session(artifact, runner, name, request, progress, on_case)
        if source is None:
            if request.images:
                raise UsageError(
                    "--images are compared with the model, and it is not given",
                    "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
                )
            found = _against_vectors(session)
        else:
            cases, missing = cases_of(artifact, request, source)
            signature = replace(artifact.signature, inputs=source.inputs)
            answers, left_out = answered(source.model, signature, cases, Inputs.of_source(source))
            found = _against_model(session, source, references, program, answers)
            found.notes.extend(left_out)
            found.not_compared.extend(missing)
            cases = [case for case, _ in answers]
            if program is not None and request.operators:
                _add_operators(found, session, program, cases)
            if request.operators:
                progress(Stage("finding where the precision loses", _ALL))
                found.operator_costs.extend(
                    costs_of_operators(artifact.manifest.request, source, references, cases)
                )
            found.statements.extend(
                statements_of_the_model(artifact, source, references, session.form, progress)
            )
        found.notes.extend(runner.notes if isinstance(runner, Noting) else ())
        if isinstance(runner, MeetsCliffs) and runner.cliffs_met:
            found.cliffs.extend(found_cliffs(runner.cliffs_met, read_origins(artifact).places))
    if not found.operators:
        found.not_compared.extend(not_told(found.outputs))
    if _hides_logits(artifact) and not any(item.name == _INSIDE for item in found.outputs):
        found.notes.append("only probabilities are compared: the logits are inside, and were not given")
    return _report(session, request, found)


def _given(program: ExportedProgram | None) -> ExportedProgram:
    if program is None:
        raise UsageError(
            "the graph is made from the model, and it is not given",
            "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
        )
    return program


def lowered_program(
    artifact: Artifact, source: Source, references: References, progress: Progress
) -> ExportedProgram:
    """The lowered program again, as the export made it."""
    from ..passes import Setting

    progress(Stage("tracing the reference model", 0.02))
    traced = references.models.trace(source)
    asked = artifact.manifest.request
    setting = Setting.of(traced.signature, source, asked)
    passes = FORMATS[artifact.format].passes(setting, asked.precision, reparameterize=asked.reparameterize)
    return references.programs.lowered(traced, passes)


def _against_vectors(session: _Session) -> _Findings:
    results: list[OutputResult] = []
    for case, expected in read_vectors(session.artifact, session.form):
        session.progress(f"comparing outputs: {case.name}")
        got = session.runner.run(case.for_candidate(session.inputs))
        found = compare_outputs(case, got, expected, session.request.max_loss)
        show(session.on_case, case, found, got, expected)
        results += found
    note = (
        "compared with the vectors that the artifact carries, on outputs alone; --weights or --model "
        "compares with the model itself, operator by operator"
    )
    return _Findings("conformance vectors", results, [], [], [note], unknown_statements(session.artifact))


def _against_model(
    session: _Session,
    source: Source,
    references: References,
    program: ExportedProgram | None,
    answers: Sequence[tuple[Case, list[Array]]],
) -> _Findings:
    artifact, inputs, own = session.artifact, session.inputs, Inputs.of_source(source)
    yardstick = Yardstick.of(references, source, artifact.manifest.request)
    inside = None
    if program is not None and session.row.format and session.row.gives_values and _hides_logits(artifact):
        inside = _logits_inside(artifact, program)
    results: list[OutputResult] = []
    doubts: list[str] = []
    outcomes: list[Outcome] = []
    specs = artifact.signature.outputs
    for number, (case, given) in enumerate(answers):
        session.progress(
            Stage(f"comparing outputs: {case.name}", _TRACED + (_COMPARED - _TRACED) * number / len(answers))
        )
        prepared, fed = case.for_reference(own), case.for_candidate(inputs)
        if not number:
            session.progress(f"proving the float64 reference: {case.name}")
            doubts += yardstick.doubts(prepared, given)
        expected = yardstick.expected(prepared, given, session.form, specs)
        got = session.runner.run(fed)
        trained = in_roles(yardstick.model.run(prepared)[: len(specs)], [spec.role for spec in specs])
        outcomes.append(Outcome(case, got, list(zip(specs, trained, strict=True))))
        found = compare_outputs(case, got, expected, session.request.max_loss)
        show(session.on_case, case, found, got, expected)
        results += found
        if case.kind == "photograph" or not number:
            results += compare_preprocessing(case, inputs, own)
        if inside is not None:
            spec = replace(artifact.signature.outputs[0], name="inside", role="logits")
            (logits,) = yardstick.expected(prepared, given[:1], session.form, [spec])
            value = session.runner.values(fed).get(inside)
            results.append(replace(output_result(case, value, logits), name=_INSIDE))
    limits = session.request.limits
    asked = artifact.manifest.precision.are_weights_compressed or limits.are_asked
    found_costs = costs(outcomes, limits) if asked else []
    return _Findings("PyTorch, float64", results, [], doubts, [], [], found_costs)


def show(
    on_case: OnCase,
    case: Case,
    found: Sequence[OutputResult],
    got: Mapping[str, Array],
    expected: Sequence[Expected],
) -> None:
    """An output that is not there has failed already, and there is nothing to draw."""
    names = [item.spec.name for item in expected]
    if all(name in got for name in names):
        on_case(case, found, [got[name] for name in names], [item.want for item in expected])


def _add_operators(
    found: _Findings, session: _Session, program: ExportedProgram, cases: Sequence[Case]
) -> None:
    """The operators are compared too, where the runner gives its values."""
    written = program_origins(program) if session.name == GRAPH else read_origins(session.artifact)
    along = part(session.progress, _COMPARED, _ALL)
    whole = "int64" if session.name == GRAPH else FORMATS[session.artifact.format].whole
    types = Types(session.precision, session.stored, str(session.form.sums).removeprefix("torch."), whole)
    try:
        operators, missing = compare_operators(
            session.runner, program, written, types, _fed(session, cases), along
        )
    except UnsupportedError as error:
        found.notes.append(f"operators are not compared: {error.lines[0]}")
        return
    found.operators.extend(operators)
    found.not_compared.extend(missing)


def _fed(session: _Session, cases: Sequence[Case]) -> list[tuple[str, Mapping[str, Array]]]:
    """The inputs that operators are compared on, by the case's name."""
    return [(case.name, case.for_candidate(session.inputs)) for case in of_each_kind(cases)]


def _hides_logits(artifact: Artifact) -> bool:
    return artifact.signature.outputs[0].role == "probabilities"


def _logits_inside(artifact: Artifact, program: ExportedProgram) -> str:
    """The value that a classifier takes its probabilities of, which alone hide what it shows. If the written
    model does not give it, a name that no value has, so that it counts as missing."""
    last = program.graph.output_node().args[0][0]
    return read_origins(artifact).equals.get(last.args[0].name, "")


def _report(session: _Session, request: ParityRequest, found: _Findings) -> ParityReport:
    total = len(found.operators)
    if found.operators and session.name != GRAPH:
        total = len(read_origins(session.artifact).places)
    return ParityReport(
        **described(session.artifact),
        runner=session.row.title,
        is_device_runtime=session.row.is_device_runtime,
        arithmetic=" ".join(f"{key} {value}" for key, value in request.options.given.items()),
        reference=found.reference,
        outputs=tuple(found.outputs),
        operators=tuple(with_cliffs(found.operators, found.cliffs)),
        operators_total=total,
        not_compared=tuple(found.not_compared),
        notes=(*request.left_out, *found.notes),
        environment={
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", session.row.package)},
        },
        statements=(*statements_of_the_file(session.artifact), *found.statements),
        requires_all=request.require_all,
        costs=tuple(found.costs),
        operator_costs=tuple(found.operator_costs),
        cliffs=tuple(found.cliffs),
    )
