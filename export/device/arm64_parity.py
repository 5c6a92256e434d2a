"""Parity on a device: outputs alone, by the same figures and tolerances as parity here.

Few inputs, for each takes many seconds: the vectors that the artifact carries (a photograph and noise), or, where the
model is given, photographs and noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

import torch

from cloformer.errors import UsageError
from cloformer.io.read import sha256_of

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.rebuild import rebuild
from ..artifact.vectors import read_vectors
from ..formats.runners import Array
from ..parity.outputs import compare_outputs, compare_preprocessing, output_result
from ..parity.report import OutputResult, ParityReport, described
from ..parity.tolerances import output_tolerance
from ..parity.verify import ParityRequest
from ..reference.cases import PHOTOGRAPH, Case, Inputs, image_cases, in_own_order, noise_case
from ..reference.outputs import run_model, run_reference
from ..source.models import Models
from ..source.postprocessing import softmax
from ..source.resolve import Source
from .arm64 import TITLE, Arm64Device, DeviceRun, refuse_other_formats
from .instructions import InstructionCounts, subject_of

__all__ = ["compare_on_device"]

Progress = Callable[[str], None]
OnCase = Callable[[Case, Sequence[OutputResult], Sequence[Array], Sequence[Array]], None]


def compare_on_device(
    artifact: Artifact,
    request: ParityRequest,
    device: Arm64Device,
    progress: Progress = lambda _: None,
    on_case: OnCase = lambda *_: None,
    models: Models | None = None,
) -> tuple[ParityReport, InstructionCounts | None]:
    """Run the artifact on ``device`` and compare its outputs; also what an inference took there, counted: None if the
    device cannot count.

    ``on_case`` is given every case with its results and the arrays that were compared. Calls that share ``models`` make a
    model once. Raises the errors of :mod:`..errors` for what cannot be run at all.
    """
    refuse_other_formats(artifact)
    progress("making the reference model")
    source = rebuild(artifact, model=request.model, weights=request.weights, models=models)
    if source is None and request.images:
        raise UsageError(
            "--images are compared with the model, and it is not given",
            "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
        )
    inputs = Inputs.of(artifact.function)
    vectors = read_vectors(artifact) if source is None else []
    cases = [case for case, _ in vectors] if source is None else _cases(inputs, request, source)
    ran = device.run(artifact, [case.for_candidate(inputs) for case in cases], progress)
    notes = ["outputs alone are compared on a device; without --device, operators are compared too"]
    if source is None:
        wanted = [want for _, want in vectors]
        outputs = _against_vectors(artifact, cases, wanted, ran.outputs, on_case)
        notes.append(
            "compared with the vectors that the artifact carries; --weights or --model gives the model itself"
        )
    else:
        progress("running the PyTorch model in float64")
        outputs = _against_model(artifact, source, cases, ran.outputs, on_case)
    counts = _counts(artifact, cases, device, ran)
    if counts is None:
        notes.append("instructions are not counted: this QEMU takes no plugins")
    reference = "conformance vectors" if source is None else "PyTorch, float64"
    return _report(artifact, device, reference, outputs, notes), counts


def _counts(
    artifact: Artifact, cases: Sequence[Case], device: Arm64Device, ran: DeviceRun
) -> InstructionCounts | None:
    if ran.instructions is None:
        return None
    return InstructionCounts(
        artifact=artifact.folder.name,
        manifest_sha256=sha256_of(artifact.folder / MANIFEST),
        instructions=dict(zip((case.name for case in cases), ran.instructions, strict=True)),
        subject=subject_of(artifact),
        environment=device.environment,
    )


def _cases(inputs: Inputs, request: ParityRequest, source: Source) -> list[Case]:
    own = Inputs.of_source(source)
    drawn = in_own_order(noise_case(inputs, request.seed), inputs, own)
    return [*image_cases(inputs, request.images or [PHOTOGRAPH], own), drawn]


def _against_vectors(
    artifact: Artifact,
    cases: Sequence[Case],
    wanted: Sequence[Mapping[str, Array]],
    given: Sequence[Mapping[str, Array]],
    on_case: OnCase,
) -> list[OutputResult]:
    precision = artifact.manifest.precision.activations
    specs = artifact.signature.outputs
    results: list[OutputResult] = []
    for case, want, got in zip(cases, wanted, given, strict=True):
        bound = output_tolerance(precision, True, case.kind)
        found = [
            output_result(spec.name, spec.role, case, got.get(spec.name), want[spec.name], None, bound)
            for spec in specs
        ]
        _show(on_case, case, found, [(got.get(spec.name), want[spec.name]) for spec in specs])
        results += found
    return results


def _against_model(
    artifact: Artifact,
    source: Source,
    cases: Sequence[Case],
    given: Sequence[Mapping[str, Array]],
    on_case: OnCase,
) -> list[OutputResult]:
    inputs, specs = Inputs.of(artifact.function), artifact.signature.outputs
    own = Inputs.of_source(source)
    fed = [case.for_reference(own) for case in cases]
    wanted, _ = run_reference(source.model, artifact.signature, fed)
    results: list[OutputResult] = []
    for case, prepared, want, got in zip(cases, fed, wanted, given, strict=True):
        noise_floor = run_model(source.model, artifact.signature, prepared, torch.float32)
        found = compare_outputs(artifact, case, got, want, noise_floor, is_device_runtime=True)
        shown = [
            softmax(value) if spec.role == "probabilities" else value
            for spec, value in zip(specs, want, strict=True)
        ]
        _show(
            on_case,
            case,
            found,
            [(got.get(spec.name), value) for spec, value in zip(specs, shown, strict=True)],
        )
        results += found
        if case.kind == "photograph" or case is cases[0]:
            results += compare_preprocessing(case, inputs, own)
    return results


def _show(
    on_case: OnCase, case: Case, found: Sequence[OutputResult], pairs: Sequence[tuple[Array | None, Array]]
) -> None:
    """An output that is not there has failed already, and there is nothing to draw."""
    if all(got is not None for got, _ in pairs):
        on_case(case, found, [got for got, _ in pairs if got is not None], [want for _, want in pairs])


def _report(
    artifact: Artifact, device: Arm64Device, reference: str, outputs: list[OutputResult], notes: list[str]
) -> ParityReport:
    return ParityReport(
        **described(artifact),
        runner=TITLE,
        is_device_runtime=True,  # ONNX Runtime itself, by its arm64 kernels: the tolerances of a device's runtime
        arithmetic=f"ONNX Runtime {device.environment['onnxruntime']}, optimization {device.optimization}",
        reference=reference,
        outputs=tuple(outputs),
        operators=(),
        operators_total=0,
        not_compared=(),
        notes=tuple(notes),
        environment={**device.environment, "torch": version("torch")},
    )
