"""What an export and its preview do alike: make the model, trace it, rewrite it, and refuse what a format cannot take."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cloformer
from cloformer.errors import UnsupportedError
from cloformer.io.progress import Progress, Stage

from ..artifact.manifest import PassRecord
from ..formats.exporter import Description, Lowered, Written, unsupported_error
from ..source.interface import with_roles
from ..source.precision import with_exceptions
from ..source.resolve import Source, resolve
from ..source.signature import Signature
from .another_choice import with_another_choice
from .request import ExportRequest, Job

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..calibration.groups import Sensitivity
    from ..passes import Applied
    from ..source.quantization import Quantization
    from ..source.trace import Trace

__all__ = [
    "Ranged",
    "Rewritten",
    "make_source",
    "refuse_labels",
    "rewrite",
    "room_for",
    "trace_source",
    "with_ranges",
    "with_wide_places",
    "write_model",
]


@dataclass(frozen=True)
class Rewritten:
    """The lowered program of a format, and the passes that made it."""

    program: ExportedProgram
    passes: tuple[PassRecord, ...]


def make_source(request: ExportRequest, progress: Progress) -> Source:
    progress(Stage(f"making {request.model or 'the model'}", 0.0))
    return resolve(request)


def trace_source(source: Source, progress: Progress) -> Trace:
    from ..source.trace import trace

    progress(Stage(f"tracing {source.name}", 0.03))
    traced = trace(source.model, source.inputs, source.output_names)
    _refuse_what_reads_nothing(traced)
    return traced


# What is filled in the shape of another tensor reads none of its numbers.
_OF_A_SHAPE = re.compile(r"aten\.((zeros|ones|full|empty)_like|new_(zeros|ones|full|empty))\.")


def _refuse_what_reads_nothing(traced: Trace) -> None:
    """:class:`UnsupportedError` for a model that gives the same whatever it is given: one of texts, say, that was handed
    tensors and asked only how many they are."""
    from ..source.trace import computed_from, origin_of

    output = traced.graph_module.graph.output_node()
    read = computed_from([output], past=lambda node: _OF_A_SHAPE.match(str(node.target)) is None)
    if not any(node.op == "placeholder" for node in read):
        names = ", ".join(spec.name for spec in traced.signature.inputs)
        given = [f"where: {origin_of(node)}" for node in output.all_input_nodes if node.op == "call_function"]
        raise UnsupportedError(
            f"no output depends on an input ({names}): the model gives the same whatever it is given",
            *given[:1],
            "return what is computed from the inputs, or name those that it reads: --input tokens=1x64:int64",
        )


def room_for(source: Source) -> int:
    """Bytes that an export needs on the way: the model, its float32 copies, and the package it is converted in."""
    numbers: int = sum(tensor.numel() for tensor in source.model.state_dict().values())
    return 16 * numbers


def refuse_labels(jobs: Sequence[Job], source: Source, traced: Trace) -> None:
    """:class:`InputError` for class names that a format cannot take, or that are not as many as the classes."""
    outputs = with_roles(traced.signature, source).outputs
    for job in jobs:
        job.format.refuse_repeated_names(source.labels, outputs)


def rewrite(job: Job, source: Source, traced: Trace) -> Rewritten:
    from ..passes import Setting, apply_passes
    from ..source.trace import lower

    asked = job.record
    setting = Setting.of(traced.signature, source, asked)
    passes = job.format.passes(setting, asked.precision, reparameterize=asked.reparameterize)
    rewritten, applied = apply_passes(traced, passes)
    return Rewritten(lower(rewritten), tuple(map(_recorded, applied)))


@dataclass(frozen=True)
class Ranged:
    """A job with the ranges that its images give, where it needs some; what a person should know of these; and of a mixture what
    each group of layers loses, the first the most."""

    job: Job
    notes: tuple[str, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()


def with_ranges(job: Job, source: Source, traced: Trace, progress: Progress = lambda _: None) -> Ranged:
    """``job`` as it is written."""
    if job.calibration is None:
        return Ranged(job)
    from ..calibration.calibrate import calibrated

    labels = _labels_for(job, source, traced)
    found = calibrated(job.calibration, source, traced, job.record, progress)
    quantization, notes = replace(found.quantization, in_float=job.in_float), found.notes
    sensitivities: tuple[Sensitivity, ...] = ()
    if job.goal is not None:
        from ..calibration.sensitivity import chosen

        weighed = _weighed(job, source, traced)
        choice = chosen(found, job.format, job.record.precision, job.goal, weighed, progress, labels)
        quantization, notes = choice.quantization, (*notes, choice.note)
        sensitivities = choice.groups
    precision = replace(job.record.precision, quantization=quantization)
    return Ranged(replace(job, record=replace(job.record, precision=precision)), notes, sensitivities)


def _weighed(job: Job, source: Source, traced: Trace) -> Callable[[Quantization], int]:
    """The bytes of the model that ``job`` writes with a quantization."""

    def bytes_of(quantization: Quantization) -> int:
        precision = replace(job.record.precision, quantization=quantization)
        tried = replace(job, record=replace(job.record, precision=precision))
        program = rewrite(tried, source, traced).program
        with tempfile.TemporaryDirectory(prefix="cloformer-") as folder:
            write_model(tried, source, with_roles(traced.signature, source), program, Path(folder))
            return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())

    return bytes_of


@dataclass(frozen=True)
class _Classifier:
    """As labelled images are held against it."""

    name: str
    labels: Sequence[str] | None
    classes: int


def _labels_for(job: Job, source: Source, traced: Trace) -> dict[Path, int] | None:
    """The classes of the images, where the goal needs them."""
    if job.goal is None or job.calibration is None:
        return None
    from ..calibration.calibrate import scores_of

    output = traced.signature.outputs[scores_of(source, traced)]
    job.goal.refuse_without_classes(output)
    if job.goal.max_accuracy_drop is None:
        return None
    from ..calibration.labelled import labels_of

    return labels_of(job.calibration, _Classifier(source.name, source.labels, output.shape[1]))


def _recorded(applied: Applied) -> PassRecord:
    return PassRecord(
        applied.name, applied.law, applied.exactness.value, applied.sites, applied.added_multiply_adds
    )


def with_wide_places(job: Job, source: Source, traced: Trace, program: ExportedProgram) -> Job:
    """``job`` with what must be computed in float32 in any case."""
    from ..source.kept_wide import kept_wide

    precision = job.record.precision
    if precision.activations != "float16":
        return job
    kept = dict.fromkeys(kept_wide(program, with_roles(traced.signature, source).outputs), "float32")
    if not kept:
        return job
    wide = with_exceptions(precision, dict(sorted({**precision.exceptions, **kept}.items())))
    return replace(job, record=replace(job.record, precision=wide))


def _refuse_operators(job: Job, program: ExportedProgram) -> None:
    """:class:`UnsupportedError` for the operators that the format has no conversion for, all at once."""
    found = job.format.exporter().unsupported(program)
    if found:
        raise unsupported_error(found, job.format.title)


def write_model(
    job: Job, source: Source, signature: Signature, program: ExportedProgram, folder: Path
) -> Written:
    """Convert the lowered program, and write the model below ``folder``."""
    lowered = _lowered(job, source, signature, program)
    try:
        return job.format.exporter().write(lowered, folder)
    except UnsupportedError as error:
        # The framework names the first operator it stumbles over; a person wants all of them.
        _refuse_operators(job, program)
        if not error.details:  # no operator is at fault: a full disk, say
            raise
        raise with_another_choice(error, job.format, lowered, folder) from error


def _lowered(job: Job, source: Source, signature: Signature, program: ExportedProgram) -> Lowered:
    about = source.metadata
    description = Description(
        source.name,
        source.summary,
        about.get("author", ""),
        about.get("license", ""),
        cloformer.__version__,
    )
    options = {option.name: option.spelt(job.record.options[option.name]) for option in job.format.options}
    pipeline = job.record.decoding.pipeline
    return Lowered(
        program,
        signature,
        source.preprocessing,
        source.labels,
        job.record.precision,
        options,
        description,
        pipeline,
    )
