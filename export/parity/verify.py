"""From an artifact to a :class:`ParityReport`: find the reference, run both, compare outputs and operators."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cloformer.errors import InputError, UnsupportedError, UsageError, choose

from ..artifact.folder import Artifact
from ..artifact.origins import read_origins
from ..artifact.vectors import read_vectors
from ..formats.runners import RUNNERS, Array, Runner, default_runner, open_artifact
from ..reference.cases import PHOTOGRAPH, Case, Inputs, hostile_cases, image_cases, in_own_order, noise_case
from ..reference.outputs import run_model, run_reference
from ..source.postprocessing import softmax
from .operators import compare_operators
from .outputs import compare_outputs, compare_preprocessing, output_result
from .report import OperatorResult, OutputResult, ParityReport, described
from .tolerances import output_tolerance

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..source.resolve import Source

__all__ = ["ParityRequest", "collect_images", "compare", "runner_options"]

Progress = Callable[[str], None]
Watch = Callable[[Case, Sequence[OutputResult], Sequence[Array], Sequence[Array]], None]

GRAPH = "pytorch"  # the runner of the graph before it is written

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
    options: Mapping[str, Any] | None = None


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


def runner_options(optimization: str | None, arithmetic: str | None) -> dict[str, Any]:
    """What was asked for, as the runners take it. Raises :class:`UsageError` for a name that is none."""
    options: dict[str, Any] = {} if optimization is None else {"optimization": optimization}
    if arithmetic is not None:
        from ..formats.coreml.mil import Arithmetic

        names = [item.value for item in Arithmetic]
        options["arithmetic"] = Arithmetic(choose("arithmetic", arithmetic, names))
    return options


def compare(
    artifact: Artifact,
    request: ParityRequest,
    progress: Progress = lambda _: None,
    watch: Watch = lambda *_: None,
) -> ParityReport:
    """Compare an artifact with the model it was exported from, or with the vectors it carries.

    ``watch`` is given every case with its results and the arrays that were compared. Raises the errors of
    :mod:`..errors` for what cannot be run at all; what ran and could not be compared is in
    the report, as a failure.
    """
    from ..artifact.rebuild import rebuild

    name = request.runner or default_runner(artifact)
    if name != GRAPH:
        runner = open_artifact(artifact, name, **(request.options or {}))
    progress("making the reference model")
    source = rebuild(artifact, model=request.model, weights=request.weights)
    program = None
    if source is not None and (request.operators or name == GRAPH or _hides_logits(artifact)):
        program = _program(artifact, source, progress)
    if name == GRAPH:
        runner = open_artifact(artifact, name, program=_given(program), **(request.options or {}))
    operators: list[OperatorResult] = []
    missing: list[str] = []
    notes: list[str] = []
    with _one_thread(), runner:
        if source is None:
            if request.images:
                raise UsageError(
                    "--images are compared with the model, and it is not given",
                    "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
                )
            notes.append(
                "compared with the vectors that the artifact carries, on outputs alone; --weights or --model "
                "compares with the model itself, operator by operator"
            )
            outputs = _against_vectors(artifact, runner, name, progress, watch)
            reference = "conformance vectors"
        else:
            cases = _cases(artifact, request, source)
            outputs = _against_model(artifact, source, runner, name, cases, program, progress, watch)
            reference = "PyTorch, float64"
            if program is not None and request.operators:
                try:
                    chosen = _of_each_kind(cases)
                    operators, missing = compare_operators(
                        artifact, program, runner, chosen, progress, _computed_in(name)
                    )
                except UnsupportedError as error:
                    notes.append(f"operators are not compared: {error.lines[0]}")
    if _hides_logits(artifact) and not any(item.name == _INSIDE for item in outputs):
        notes.append("only probabilities are compared: the logits are inside, and were not given")
    return _report(artifact, request, name, reference, outputs, operators, missing, notes)


def _given(program: ExportedProgram | None) -> ExportedProgram:
    if program is None:
        raise UsageError(
            "the graph is made from the model, and it is not given",
            "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
        )
    return program


def _computed_in(runner: str) -> str | None:
    """The type a runner computes in whatever the artifact was written in; None for the artifact's."""
    return "float32" if runner == GRAPH else None


class _one_thread:  # noqa: N801 - reads as what it does
    """Float64 convolutions on several threads wait for each other more than they compute."""

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_error: object) -> None:
        torch.set_num_threads(self._before)


def _cases(artifact: Artifact, request: ParityRequest, source: Source) -> list[Case]:
    """Photographs first, then noise, then what models are bad at."""
    inputs, own = Inputs.of(artifact.function), _own_inputs(source)
    drawn = [noise_case(inputs, request.seed), *hostile_cases(inputs, request.seed)]
    return [
        *image_cases(inputs, request.images or [PHOTOGRAPH], own),
        *(in_own_order(case, inputs, own) for case in drawn),
    ]


def _own_inputs(source: Source) -> Inputs:
    """How the model itself is fed, whatever the artifact says."""
    return Inputs(source.inputs, source.preprocessing, dict.fromkeys(source.preprocessing, False))


def _of_each_kind(cases: Sequence[Case]) -> list[Case]:
    firsts = {case.kind: case for case in reversed(cases)}
    order = [firsts[kind] for kind in ("photograph", "noise", "hostile") if kind in firsts]
    return order[:_OPERATOR_CASES]


def _program(artifact: Artifact, source: Source, progress: Progress) -> ExportedProgram:
    """The lowered program again, as the export made it."""
    from ..passes import PASSES, PLAIN, Setting, apply_passes
    from ..source.trace import lower, trace

    progress("tracing the reference model")
    traced = trace(source.model, source.inputs, source.output_names)
    setting = Setting(traced.signature, source.preprocessing, is_classifier=source.labels is not None)
    lists = PASSES if artifact.manifest["request"]["reparameterize"] else PLAIN
    rewritten, _ = apply_passes(traced, lists[artifact.format](setting))
    return lower(rewritten)


def _against_vectors(
    artifact: Artifact, runner: Runner, name: str, progress: Progress, watch: Watch
) -> list[OutputResult]:
    inputs, specs = Inputs.of(artifact.function), artifact.signature.outputs
    results: list[OutputResult] = []
    for case, want in read_vectors(artifact):
        progress(f"comparing outputs: {case.name}")
        bound = output_tolerance(_activations(artifact), RUNNERS[name].is_device_runtime, case.kind)
        got = runner.run(case.for_candidate(inputs))
        found = [
            output_result(spec.name, spec.role, case, got.get(spec.name), want[spec.name], None, bound)
            for spec in specs
        ]
        watch(case, found, [got[spec.name] for spec in specs], [want[spec.name] for spec in specs])
        results += found
    return results


def _against_model(
    artifact: Artifact,
    source: Source,
    runner: Runner,
    name: str,
    cases: Sequence[Case],
    program: ExportedProgram | None,
    progress: Progress,
    watch: Watch,
) -> list[OutputResult]:
    inputs, is_device = Inputs.of(artifact.function), RUNNERS[name].is_device_runtime
    own = _own_inputs(source)
    inside = None
    if program is not None and name == "mil" and _hides_logits(artifact):
        inside = _logits_inside(artifact, program)
    results: list[OutputResult] = []
    for case in cases:
        progress(f"comparing outputs: {case.name}")
        prepared, fed = case.for_reference(own), case.for_candidate(inputs)
        (want,), _ = run_reference(source.model, artifact.signature, [prepared])
        floor = run_model(source.model, artifact.signature, prepared, torch.float32)
        got = runner.run(fed)
        found = compare_outputs(
            artifact, case, got, want, floor, is_device_runtime=is_device, precision=_computed_in(name)
        )
        watch(case, found, [got[spec.name] for spec in artifact.signature.outputs], _in_roles(artifact, want))
        results += found
        if case.kind == "photograph" or case is cases[0]:
            results += compare_preprocessing(case, inputs, own)
        if inside is not None:
            bound = output_tolerance(_activations(artifact), is_device, case.kind)
            value = runner.values(fed).get(inside)
            results.append(output_result(_INSIDE, "logits", case, value, want[0], floor[0], bound))
    return results


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


def _activations(artifact: Artifact) -> str:
    return str(artifact.manifest["precision"]["activations"])


def _report(
    artifact: Artifact,
    request: ParityRequest,
    name: str,
    reference: str,
    outputs: list[OutputResult],
    operators: list[OperatorResult],
    missing: list[str],
    notes: list[str],
) -> ParityReport:
    options = request.options or {}
    return ParityReport(
        **described(artifact),
        runner=RUNNERS[name].title,
        is_device_runtime=RUNNERS[name].is_device_runtime,
        arithmetic=" ".join(f"{key} {getattr(value, 'value', value)}" for key, value in options.items()),
        reference=reference,
        outputs=tuple(outputs),
        operators=tuple(operators),
        operators_total=len(read_origins(artifact).places) if operators and name != GRAPH else len(operators),
        not_compared=tuple(missing),
        notes=tuple(notes),
        environment={
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", RUNNERS[name].package)},
        },
    )
