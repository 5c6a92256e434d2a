"""Parity on the values that a device wrote: its outputs, and each operator or module by itself, with the vectors that it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from cloformer.errors import InputError, UsageError
from cloformer.io.progress import Progress, Stage
from cloformer.io.words import count

from ..artifact.folder import Artifact
from ..artifact.forms import form_of
from ..artifact.kit import KitVector, read_kit
from ..artifact.origins import read_origins
from ..artifact.probe import PROBED
from ..formats import FORMATS
from ..formats.probe import MODULES
from ..formats.runner import Array
from ..reference.cases import Case, Inputs, in_own_order, is_usual
from ..reference.outputs import run_model
from ..reference.references import Expected, References
from ..reference.rounding import Format
from ..reference.threads import one_thread
from .device_values import DeviceRunner, DeviceValues
from .judge import Types
from .operators import Comparison
from .outputs import compare_outputs, compare_preprocessing
from .report import OutputResult, ParityReport, described
from .request import ParityRequest, source_of
from .statements import statements_of_the_file, statements_of_the_model
from .verify import OnCase, lowered_program, show
from .yardstick import Yardstick

if TYPE_CHECKING:
    from ..source.resolve import Source

__all__ = ["compare_on_values"]


def compare_on_values(
    artifact: Artifact,
    request: ParityRequest,
    values: DeviceValues,
    progress: Progress = lambda _: None,
    on_case: OnCase = lambda *_: None,
    references: References | None = None,
) -> ParityReport:
    """Compare what a device computed with the model that its artifact was exported from.

    A part of the probe that gives other outputs than the app's model on the same unit, beyond what rounding explains, does not say
    where the app's model goes wrong: its values are not compared, and the report says so. What is not in the file has failed. Calls
    that share ``references`` make, trace and compute a model once. Raises :class:`UsageError` where the model is not given.
    """
    progress(Stage("making the reference model", 0.0))
    references = references or References()
    source = source_of(artifact, request, references)
    if source is None:
        raise UsageError(
            "a device's values are compared with the model, and it is not given",
            "add --weights CHECKPOINT, or --model package.module:factory for a model of yours",
        )
    program = lowered_program(artifact, source, references, progress)
    form = form_of(artifact.format, artifact.manifest.precision.activations, narrow_sums=True)
    with one_thread():
        cases = _cases(artifact, source)
        runner = DeviceRunner(artifact.signature, values, {case.name: fed for case, fed in cases})
        found = Comparison(program, read_origins(artifact), _types(artifact, form))
        yardstick = Yardstick.of(references, source, artifact.manifest.request)
        signature = replace(artifact.signature, inputs=source.inputs)
        outputs: list[OutputResult] = []
        for number, (case, fed) in enumerate(cases):
            progress(Stage(f"comparing on {case.name}", 0.1 + 0.8 * number / len(cases)))
            prepared = case.for_reference(Inputs.of_source(source))
            given = run_model(source.model, signature, prepared)
            if not number:
                found.missing += yardstick.doubts(prepared, given)
            expected = yardstick.expected(prepared, given, form, artifact.signature.outputs)
            got = _run(runner, case, fed, found.missing)
            results = compare_outputs(case, got, expected, request.max_loss)
            show(on_case, case, results, got, expected)
            outputs += results
            if case.kind == "photograph":
                outputs += compare_preprocessing(case, Inputs.of(artifact.function), Inputs.of_source(source))
            for part in range(len(values.plan.parts)):
                _add_part(found, runner, case, fed, part, got, expected)
        statements = statements_of_the_model(artifact, source, references, form, progress)
    report = _report(artifact, request, values, found, outputs)
    return replace(report, statements=(*statements_of_the_file(artifact), *statements))


def _types(artifact: Artifact, form: Format) -> Types:
    precision, sums = artifact.manifest.precision, str(form.sums).removeprefix("torch.")
    return Types(precision.activations, precision.constants, sums, FORMATS[artifact.format].whole)


def _report(
    artifact: Artifact,
    request: ParityRequest,
    values: DeviceValues,
    found: Comparison,
    outputs: Sequence[OutputResult],
) -> ParityReport:
    plan, about = values.plan, {"device": values.device, "runtime": values.runtime}
    where = "at module borders" if plan.mode == MODULES else "of every operator"
    left = count(len(plan.left_out), "value")
    notes = [f"{left} that no output can hold: judged with what reads them"] if plan.left_out else []
    return ParityReport(
        **described(artifact),
        runner=values.title,
        is_device_runtime=True,
        arithmetic=f"values {where}, by {count(len(plan.parts), 'model')}",
        reference="PyTorch, float64",
        outputs=tuple(outputs),
        operators=tuple(found.operators),
        operators_total=sum(len(part.own) for part in plan.parts),
        not_compared=tuple(found.missing),
        notes=(*request.left_out, *notes),
        environment={
            **{f"{what}_{name}": text for what, said in about.items() for name, text in said.items()},
            "torch": version("torch"),
        },
        requires_all=request.require_all,
    )


def _cases(artifact: Artifact, source: Source) -> list[tuple[Case, dict[str, Array]]]:
    """The vectors that a probe runs, each with what the app feeds."""
    inputs, own = Inputs.of(artifact.function), Inputs.of_source(source)
    vectors = {vector.image.name: vector for vector in read_kit(artifact)}
    return [
        (in_own_order(_case(vectors[name], inputs), inputs, own), _fed(vectors[name], artifact))
        for name in PROBED
    ]


def _case(vector: KitVector, inputs: Inputs) -> Case:
    ((name, rule),) = inputs.preprocessing.items()
    pixels = rule.in_order(vector.pixels).transpose(2, 0, 1)[None].astype(np.float32)
    kind = "photograph" if vector.image.compares == "outputs" else "noise"
    return Case(vector.image.name, kind, {name: pixels}, is_usual=is_usual(kind, inputs))


def _fed(vector: KitVector, artifact: Artifact) -> dict[str, Array]:
    (spec,) = artifact.signature.inputs
    return {spec.name: vector.input.astype(spec.dtype).reshape(spec.shape)}


def _run(runner: DeviceRunner, case: Case, fed: Mapping[str, Array], missing: list[str]) -> dict[str, Array]:
    """The outputs that are in the file: what is not there fails as an output of the comparison, and ``missing`` says why."""
    try:
        return runner.run(fed)
    except InputError as error:
        missing.append(f"the app's model on {case.name}: {error.lines[0]}")
        return {}


def _add_part(
    found: Comparison,
    runner: DeviceRunner,
    case: Case,
    fed: Mapping[str, Array],
    number: int,
    model: Mapping[str, Array],
    expected: list[Expected],
) -> None:
    given = runner.part(fed, number)
    differing = _differs(case, given, model, expected)
    if differing is not None:
        found.missing.append(
            f"part {number} of the probe on {case.name}: {differing}; what it gives inside says nothing of the app's model"
        )
        return
    own = {item.name for item in runner.plan.parts[number].own}
    found.add(case.name, fed, given, own=own)


def _differs(
    case: Case, given: Mapping[str, Array], model: Mapping[str, Array], expected: list[Expected]
) -> str | None:
    """How the part's outputs differ from the app's model's on the same unit, beyond what rounding may cost either; None if they do
    not."""
    if not model:
        return "the app's model gave no outputs"
    wanted = [replace(item, want=model[item.spec.name], own=None, own_end=None) for item in expected]
    for result in compare_outputs(case, given, wanted, np.inf):
        if result.failure is not None:
            return f"its {result.name} is not the app's model's ({result.failure})"
    return None
