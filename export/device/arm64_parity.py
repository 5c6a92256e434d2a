"""Parity on a device: outputs alone, by the same figures and tolerances as parity here.

Few inputs, for each takes many seconds: the vectors that the artifact carries (a photograph and noise), or, where the
model is given, photographs and noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from cloformer.errors import UsageError
from cloformer.io.progress import Progress
from cloformer.io.read import sha256_of

from ..artifact.folder import MANIFEST, Artifact
from ..artifact.forms import form_of
from ..artifact.vectors import read_vectors
from ..parity.outputs import compare_outputs, compare_preprocessing, not_told
from ..parity.report import OutputResult, ParityReport, Statement, described
from ..parity.request import photographs_of
from ..parity.statements import statements_of_the_file, statements_of_the_model, unknown_statements
from ..parity.verify import OnCase, ParityRequest, show, source_of
from ..parity.yardstick import Yardstick
from ..reference.cases import Case, Inputs, in_own_order, noise_case
from ..reference.outputs import run_model
from ..reference.references import Expected, References
from ..reference.rounding import Format
from ..source.resolve import Source
from .arm64 import Arm64Device, DeviceRun
from .instructions import InstructionCounts, subject_of

__all__ = ["compare_on_device"]


def compare_on_device(
    artifact: Artifact,
    request: ParityRequest,
    device: Arm64Device,
    progress: Progress = lambda _: None,
    on_case: OnCase = lambda *_: None,
    references: References | None = None,
) -> tuple[ParityReport, InstructionCounts | None]:
    """Run the artifact on ``device`` and compare its outputs; also what an inference took there, counted: None if the
    device cannot count.

    ``on_case`` is given every case with its results and the arrays that were compared. Calls that share ``references`` make a
    model once. Raises the errors of :mod:`..errors` for what cannot be run at all.
    """
    device.runtime_of(artifact)
    progress("making the reference model")
    references = references or References()
    source = source_of(artifact, request, references)
    if source is None and request.images:
        raise UsageError(
            "--images are compared with the model, and it is not given",
            "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
        )
    inputs = Inputs.of(artifact.function)
    vectors = read_vectors(artifact, _form(artifact)) if source is None else []
    cases, missing = (
        ([case for case, _ in vectors], []) if source is None else _cases(inputs, request, source)
    )
    ran = device.run(artifact, [case.for_candidate(inputs) for case in cases], progress)
    notes = ["outputs alone are compared on a device; without --device, operators are compared too"]
    results: list[OutputResult] = []
    statements: list[Statement]
    if source is None:
        expected, statements = [item for _, item in vectors], unknown_statements(artifact)
        notes.append(
            "compared with the vectors that the artifact carries; --weights or --model gives the model itself"
        )
    else:
        progress("running the PyTorch model in float64")
        expected, doubts = _expected(artifact, source, references, cases)
        missing = [*missing, *doubts]
        statements = statements_of_the_model(artifact, source, references, _form(artifact), progress)
    for case, got, wanted in zip(cases, ran.outputs, expected, strict=True):
        found = compare_outputs(case, got, wanted, request.max_loss)
        show(on_case, case, found, got, wanted)
        results += found
        if source is not None and (case.kind == "photograph" or case is cases[0]):
            results += compare_preprocessing(case, inputs, Inputs.of_source(source))
    counts = _counts(artifact, cases, device, ran)
    if counts is None:
        notes.append("instructions are not counted: this QEMU takes no plugins")
    reference = "conformance vectors" if source is None else "PyTorch, float64"
    report = _report(artifact, device, reference, results, [*request.left_out, *notes])
    said = (*statements_of_the_file(artifact), *statements)
    not_compared = (*report.not_compared, *missing)
    return replace(
        report, statements=said, requires_all=request.require_all, not_compared=not_compared
    ), counts


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
        environment=device.environment(artifact),
    )


def _cases(inputs: Inputs, request: ParityRequest, source: Source) -> tuple[list[Case], list[str]]:
    own = Inputs.of_source(source)
    drawn = in_own_order(noise_case(inputs, request.seed), inputs, own)
    photographs, missing = photographs_of(inputs, request, own)
    return [*photographs, drawn], missing


def _expected(
    artifact: Artifact, source: Source, references: References, cases: Sequence[Case]
) -> tuple[list[list[Expected]], list[str]]:
    """What the model gives for each case, and why the float64 reference would not be it."""
    own, signature = Inputs.of_source(source), replace(artifact.signature, inputs=source.inputs)
    yardstick = Yardstick.of(references, source, artifact.manifest.request)
    found: list[list[Expected]] = []
    doubts: list[str] = []
    for case in cases:
        prepared = case.for_reference(own)
        given = run_model(source.model, signature, prepared)
        doubts += yardstick.doubts(prepared, given) if not found else []
        found.append(yardstick.expected(prepared, given, _form(artifact), artifact.signature.outputs))
    return found, doubts


def _form(artifact: Artifact) -> Format:
    return form_of(artifact.format, artifact.manifest.precision.activations, narrow_sums=True)


def _report(
    artifact: Artifact, device: Arm64Device, reference: str, outputs: list[OutputResult], notes: list[str]
) -> ParityReport:
    runtime, environment = device.runtime_of(artifact), device.environment(artifact)
    level = device.level(runtime)
    return ParityReport(
        **described(artifact),
        runner=device.title,
        is_device_runtime=True,  # the runtime itself, by its arm64 kernels: the tolerances of a device's runtime
        arithmetic=f"{runtime.title} {environment[runtime.package]}"
        + (f", optimization {level}" if level else ""),
        reference=reference,
        outputs=tuple(outputs),
        operators=(),
        operators_total=0,
        not_compared=tuple(not_told(outputs)),
        notes=tuple(notes),
        environment={**environment, "torch": version("torch")},
    )
