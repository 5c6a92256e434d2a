"""From an artifact to a :class:`ParityReport`: find the reference, run both, compare outputs and operators."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cloformer.errors import InputError, UnsupportedError, UsageError

from ..artifact.folder import Artifact
from ..artifact.origins import read_origins
from ..artifact.rebuild import rebuild
from ..artifact.vectors import read_vectors
from ..formats import FORMATS
from ..formats.runners import (
    GRAPH,
    RUNNERS,
    Array,
    Runner,
    RunnerOptions,
    RunnerRow,
    default_runner,
    open_graph,
    open_model,
)
from ..reference.cases import PHOTOGRAPH, Case, Inputs, hostile_cases, image_cases, in_own_order, noise_case
from ..reference.outputs import run_model, run_reference
from ..source.models import Models
from ..source.postprocessing import softmax
from .operators import Types, compare_operators, program_origins
from .outputs import compare_outputs, compare_preprocessing, output_result
from .report import OperatorResult, OutputResult, ParityReport, described
from .tolerances import output_tolerance

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..source.resolve import Source

__all__ = ["OnCase", "ParityRequest", "collect_images", "compare"]

Progress = Callable[[str], None]
OnCase = Callable[[Case, Sequence[OutputResult], Sequence[Array], Sequence[Array]], None]

_INSIDE = "logits (inside)"  # of a classifier that gives probabilities alone

# The operators are compared on this many inputs, each of another kind: what one of them leaves at rest
# (a rectifier that is never reached) another one moves.
_OPERATOR_CASES = 2
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class ParityRequest:
    """What to compare and how. ``model`` and ``weights`` say which model the artifact was exported from;
    ``options`` go to the runner."""

    model: str | None = None
    weights: Path | None = None
    images: tuple[Path, ...] = ()
    runner: str | None = None
    operators: bool = True
    seed: int = 0
    options: RunnerOptions = field(default_factory=RunnerOptions)


def collect_images(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The files, and the images in the folders; :class:`InputError` for a folder without any."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no image {path}", "--images takes files and folders")
        inside = (
            [item for item in sorted(path.iterdir()) if item.suffix.lower() in _IMAGES]
            if path.is_dir()
            else [path]
        )
        if not inside:
            raise InputError(f"there is no image in {path}", f"--images takes files of {', '.join(_IMAGES)}")
        found += inside
    return tuple(found)


@dataclass(frozen=True)
class _Session:
    """What is compared: an artifact on a runner, entered; and who is told of it."""

    artifact: Artifact
    runner: Runner
    name: str
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
    def stored(self) -> str:
        """The type that constants are kept in."""
        return "float32" if self.name == GRAPH else self.artifact.manifest.precision.weights


@dataclass(frozen=True)
class _Findings:
    """What was found, and what it was compared with."""

    reference: str
    outputs: list[OutputResult]
    operators: list[OperatorResult]
    not_compared: list[str]
    notes: list[str]


def compare(
    artifact: Artifact,
    request: ParityRequest,
    progress: Progress = lambda _: None,
    on_case: OnCase = lambda *_: None,
    models: Models | None = None,
) -> ParityReport:
    """Compare an artifact with the model it was exported from, or with the vectors it carries.

    ``on_case`` is given every case with its results and the arrays that were compared. Calls that share ``models`` make
    and trace a model once. Raises the errors of
    :mod:`cloformer.errors` for what cannot be run at all; what ran and could not be compared is in the report, as a
    failure.
    """
    name = request.runner or default_runner(artifact.format)
    if name != GRAPH:
        runner = open_model(artifact.model, name, request.options)
    progress("making the reference model")
    models = models or Models()
    source = rebuild(artifact, model=request.model, weights=request.weights, models=models)
    program = None
    if source is not None and (request.operators or name == GRAPH or _hides_logits(artifact)):
        program = _program(artifact, source, models, progress)
    if name == GRAPH:
        runner = open_graph(artifact.model, _given(program), request.options)
    with _one_thread(), runner:
        session = _Session(artifact, runner, name, progress, on_case)
        if source is None:
            if request.images:
                raise UsageError(
                    "--images are compared with the model, and it is not given",
                    "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
                )
            found = _against_vectors(session)
        else:
            cases = _cases(artifact, request, source)
            found = _against_model(session, source, program, cases)
            if program is not None and request.operators:
                _add_operators(found, session, program, cases)
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


class _one_thread:  # noqa: N801 - reads as what it does
    """Float64 convolutions on several threads wait for each other more than they compute."""

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_error: object) -> None:
        torch.set_num_threads(self._before)


def _cases(artifact: Artifact, request: ParityRequest, source: Source) -> list[Case]:
    """Photographs first, then noise, then what models are bad at."""
    inputs, own = Inputs.of(artifact.function), Inputs.of_source(source)
    drawn = [noise_case(inputs, request.seed), *hostile_cases(inputs, request.seed)]
    return [
        *image_cases(inputs, request.images or [PHOTOGRAPH], own),
        *(in_own_order(case, inputs, own) for case in drawn),
    ]


def _of_each_kind(cases: Sequence[Case]) -> list[Case]:
    firsts = {case.kind: case for case in reversed(cases)}
    order = [firsts[kind] for kind in ("photograph", "noise", "hostile") if kind in firsts]
    return order[:_OPERATOR_CASES]


def _program(artifact: Artifact, source: Source, models: Models, progress: Progress) -> ExportedProgram:
    """The lowered program again, as the export made it."""
    from ..passes import Setting, apply_passes
    from ..source.trace import lower

    progress("tracing the reference model")
    traced = models.trace(source)
    setting = Setting(traced.signature, source.preprocessing, is_classifier=source.labels is not None)
    passes = FORMATS[artifact.format].passes(setting, reparameterize=artifact.manifest.request.reparameterize)
    rewritten, _ = apply_passes(traced, passes)
    return lower(rewritten)


def _against_vectors(session: _Session) -> _Findings:
    specs = session.artifact.signature.outputs
    results: list[OutputResult] = []
    for case, want in read_vectors(session.artifact):
        session.progress(f"comparing outputs: {case.name}")
        bound = output_tolerance(session.precision, session.row.is_device_runtime, case.kind)
        got = session.runner.run(case.for_candidate(session.inputs))
        found = [
            output_result(spec.name, spec.role, case, got.get(spec.name), want[spec.name], None, bound)
            for spec in specs
        ]
        session.on_case(case, found, [got[spec.name] for spec in specs], [want[spec.name] for spec in specs])
        results += found
    note = (
        "compared with the vectors that the artifact carries, on outputs alone; --weights or --model "
        "compares with the model itself, operator by operator"
    )
    return _Findings("conformance vectors", results, [], [], [note])


def _against_model(
    session: _Session, source: Source, program: ExportedProgram | None, cases: Sequence[Case]
) -> _Findings:
    artifact, inputs, own = session.artifact, session.inputs, Inputs.of_source(source)
    is_device = session.row.is_device_runtime
    inside = None
    if program is not None and session.row.format and session.row.gives_values and _hides_logits(artifact):
        inside = _logits_inside(artifact, program)
    results: list[OutputResult] = []
    for case in cases:
        session.progress(f"comparing outputs: {case.name}")
        prepared, fed = case.for_reference(own), case.for_candidate(inputs)
        (want,), _ = run_reference(source.model, artifact.signature, [prepared])
        noise_floor = run_model(source.model, artifact.signature, prepared, torch.float32)
        got = session.runner.run(fed)
        found = compare_outputs(
            artifact, case, got, want, noise_floor, is_device_runtime=is_device, precision=session.precision
        )
        given = [got[spec.name] for spec in artifact.signature.outputs]
        session.on_case(case, found, given, _in_roles(artifact, want))
        results += found
        if case.kind == "photograph" or case is cases[0]:
            results += compare_preprocessing(case, inputs, own)
        if inside is not None:
            bound = output_tolerance(session.precision, is_device, case.kind)
            value = session.runner.values(fed).get(inside)
            results.append(output_result(_INSIDE, "logits", case, value, want[0], noise_floor[0], bound))
    return _Findings("PyTorch, float64", results, [], [], [])


def _add_operators(
    found: _Findings, session: _Session, program: ExportedProgram, cases: Sequence[Case]
) -> None:
    """The operators are compared too, where the runner gives its values."""
    written = program_origins(program) if session.name == GRAPH else read_origins(session.artifact)
    types = Types(session.precision, session.stored)
    try:
        operators, missing = compare_operators(
            session.runner, program, written, types, _fed(session, cases), session.progress
        )
    except UnsupportedError as error:
        found.notes.append(f"operators are not compared: {error.lines[0]}")
        return
    found.operators.extend(operators)
    found.not_compared.extend(missing)


def _fed(session: _Session, cases: Sequence[Case]) -> list[tuple[str, Mapping[str, Array]]]:
    """The inputs that operators are compared on, by the case's name."""
    return [(case.name, case.for_candidate(session.inputs)) for case in _of_each_kind(cases)]


def _in_roles(artifact: Artifact, want: Sequence[Array]) -> list[Array]:
    """The model's own outputs as the artifact gives them: probabilities where it makes them of logits."""
    roles = [spec.role for spec in artifact.signature.outputs]
    return [
        softmax(value) if role == "probabilities" else value for role, value in zip(roles, want, strict=True)
    ]


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
        operators=tuple(found.operators),
        operators_total=total,
        not_compared=tuple(found.not_compared),
        notes=tuple(found.notes),
        environment={
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", session.row.package)},
        },
    )
