"""From a request to artifacts: resolve, trace, rewrite, write, load back, run, put in place."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import CloformerError, GateError, InputError, UnsupportedError
from cloformer.io.causes import causes
from cloformer.io.progress import Progress, Stage, part
from cloformer.io.staging import space_needed, staged
from cloformer.io.write import canonical_json

from ..artifact.files import list_files
from ..artifact.folder import CONFORMANCE, KIT, LABELS, MANIFEST, ORIGINS, Artifact, read_artifact
from ..artifact.forms import forms_of
from ..artifact.kit import Kit, make_kit, write_kit
from ..artifact.manifest import Manifest, ModelEntry
from ..artifact.origins import read_origins, write_origins
from ..artifact.vectors import Vectors, make_vectors, write_vectors
from ..source.counts import MultiplyAdds, parameter_count
from ..source.interface import interface_of, with_roles
from ..source.resolve import Source
from .check import (
    Difference,
    TooLossyError,
    check_against_reference,
    hold_the_reference,
    hold_the_rewritten,
    where_wrong,
)
from .refused import of_each
from .request import ExportRequest, Job, choose_formats, jobs_for
from .steps import (
    make_source,
    refuse_labels,
    rewrite,
    room_for,
    trace_source,
    with_ranges,
    with_wide_places,
    write_model,
)

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..calibration.groups import Sensitivity
    from ..reference.references import Reference
    from ..source.trace import Trace

__all__ = ["Exported", "export", "export_plain"]


_BEFORE = 0.25  # of the time of an export: the model, its trace, and what it gives
_ATTRIBUTES = ".gitattributes"
_UNTOUCHED = "# The manifest's hashes are of these bytes: git must not change line ends.\n* -text\n"
_ROLES = {
    LABELS: "labels", ORIGINS: "origins", CONFORMANCE: "conformance", KIT: "conformance", _ATTRIBUTES: "attributes",
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """An artifact that was written, how far it is from the PyTorch model, and what a person should know of it; of a mixture of
    precisions what each group of layers loses, the first the most."""

    artifact: Artifact
    difference: Difference
    notes: tuple[str, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()


@dataclass(frozen=True)
class _Reference:
    """What is the same for every format: the model, its trace with the multiply-adds in it, and what it gives for the vectors
    and the kit."""

    source: Source
    traced: Trace
    multiply_adds: int
    vectors: Vectors
    kit: Kit | None

    @classmethod
    def of(cls, source: Source, traced: Trace, multiply_adds: int, model: Reference) -> _Reference:
        return cls(source, traced, multiply_adds, make_vectors(source, model), make_kit(source, model))

    def for_job(self, job: Job) -> _Reference:
        """With what the model gives with the weights that the job is to write."""
        if not job.record.precision.are_weights_compressed:
            return self
        from ..reference.references import Reference
        from ..reference.written import written_trace

        asked, precision = job.record, job.record.precision
        before = written_trace(self.traced, self.source, asked, precision, is_compressed=False)
        hold_the_rewritten(self.vectors, Reference(*before))
        model = Reference(*written_trace(self.traced, self.source, asked, precision))
        return self.of(self.source, self.traced, self.multiply_adds, model)


def export(request: ExportRequest, progress: Progress = lambda _: None) -> list[Exported]:
    """Write one artifact for each format of ``request``; ``progress`` is told every stage.

    Each is loaded back, run and compared with the PyTorch model before it replaces an earlier one. Raises the
    errors of :mod:`cloformer.errors`; what was there then stays.
    """
    choices = choose_formats(request)
    source = make_source(request, progress)
    return _export(source, jobs_for(request, choices, source), progress)


def export_plain(
    artifact: Artifact, source: Source, output: Path, progress: Progress = lambda _: None
) -> Artifact:
    """What ``artifact`` would be without passes: ``source``'s model in the same format, written to a folder of
    ``output``. Raises as :func:`export` does."""
    asked = artifact.manifest.request
    if asked.precision.are_layers_quantized:
        raise UnsupportedError(
            f"{artifact.folder} computes in {asked.precision.name}, and without passes its ranges would be others",
            "compare with an artifact of your own: cloformer export --no-reparameterize --precision int8 --calibration FOLDER",
        )
    request = ExportRequest(
        model=source.source,
        formats=(artifact.format,),
        precision=asked.precision.name,
        num_classes=asked.num_classes,
        options=asked.options,
        reparameterize=False,
        output=output,
    )
    return _export(source, jobs_for(request, choose_formats(request), source), progress)[0].artifact


def _export(source: Source, jobs: Sequence[Job], progress: Progress) -> list[Exported]:
    from ..reference.references import Reference

    traced = trace_source(source, progress)
    refuse_labels(jobs, source, traced)
    progress(Stage("running the PyTorch model in float64", 0.1))
    plain = _Reference.of(source, traced, MultiplyAdds().of(traced.graph_module.graph), Reference(traced))
    progress(Stage("proving the float64 reference", 0.2))
    hold_the_reference(source, plain.vectors)

    def make(number: int, job: Job) -> Exported:
        along = part(progress, *(_BEFORE + (1 - _BEFORE) * n / len(jobs) for n in (number, number + 1)))
        ranged = with_ranges(job, source, traced, along)
        job = ranged.job
        reference = plain.for_job(job)
        with staged(job.folder) as staging:
            space_needed(staging, room_for(source))
            program = _write(job, reference, staging, along)
            artifact = read_artifact(staging)
            job.limits.hold(artifact.manifest)
            try:
                difference = check_against_reference(artifact, reference.vectors, along)
            except (InputError, UnsupportedError) as error:
                raise _not_run(error, artifact) from error
            except GateError as error:
                where = where_wrong(error, artifact, program, reference.vectors)
                raise _failed(error, where, staging, job) from None
        written = read_artifact(job.folder, verify=False)
        notes = (*source.notes, *traced.notes, *ranged.notes, *_labelled(written))
        return Exported(written, difference, notes, ranged.sensitivities)

    return of_each(jobs, make, lambda item: f"{item.artifact.folder} is written")


def _not_run(error: CloformerError, artifact: Artifact) -> UnsupportedError:
    """What a runtime says of a file that was just written: it cannot be done, with the place of what it names."""
    said = set(re.findall(r"\w+", " ".join(map(str, causes(error)))))
    places = read_origins(artifact).places
    where = next(
        (str(place) for name, place in places.items() if said & {name, f"node_{name}"}),
        "it does not say at which operator",
    )
    return UnsupportedError(
        error.lines[0],
        f"where: {where}",
        "rewrite that line with other operators, or choose another --format",
    )


def _labelled(artifact: Artifact) -> list[str]:
    """Of several outputs, which one the class names are of."""
    outputs = artifact.function.outputs
    named = [item.spec.name for item in outputs if item.labels is not None]
    if not named or len(outputs) == 1:
        return []
    which = "the first" if named[0] == outputs[0].spec.name else "one"
    return [f"{LABELS} names the classes of {named[0]}, {which} of {len(outputs)} outputs"]


def _failed(error: GateError, where: str | None, staging: Path, job: Job) -> GateError:
    """The error with the first operator that is to blame, and the artifact beside its place, if it is kept."""
    lines = [error.lines[0], *([] if where is None else [where])]
    is_narrow = isinstance(error, TooLossyError) and job.record.precision.name != "fp32"
    way_out = ["--precision fp32 loses nothing"] if is_narrow else []
    if not job.keep_failed:
        kept = "nothing was replaced; --keep-failed keeps it for `cloformer parity --bisect`"
        return GateError(*lines, "; ".join([*way_out, kept]))
    place = job.folder.with_name(f"{job.folder.name}-failed")
    with staged(place) as folder:
        shutil.copytree(staging, folder, dirs_exist_ok=True)
    kept = f"kept as {place}; `cloformer parity --bisect` and --headroom say more"
    return GateError(*lines, "; ".join([*way_out, kept]))


def _write(job: Job, reference: _Reference, folder: Path, progress: Progress) -> ExportedProgram:
    """The model, what goes with it, and the manifest that lists them. Returns the program that the model was written of."""
    title, source = job.format.title, reference.source
    progress(Stage(f"{title}: rewriting the graph", 0.0))
    rewritten = rewrite(job, source, reference.traced)
    job = with_wide_places(job, source, reference.traced, rewritten.program)
    progress(Stage(f"{title}: writing", 0.1))
    signature = with_roles(reference.traced.signature, source)
    written = write_model(job, source, signature, rewritten.program, folder)
    progress(Stage(f"{title}: loading it back", 0.7))
    figures = job.format.exporter().check(folder / written.path)
    figures = figures.placed(rewritten.program, written.values)
    if source.labels is not None:
        (folder / LABELS).write_text("\n".join(source.labels) + "\n", "utf-8")
    forms = forms_of(job.format.name, job.record.precision.activations)
    write_vectors(folder / CONFORMANCE, reference.vectors, written.signature, forms)
    if reference.kit is not None:
        write_kit(folder / KIT, reference.kit, written.signature)
    write_origins(folder / ORIGINS, rewritten.program, written)
    (folder / _ATTRIBUTES).write_text(_UNTOUCHED, "utf-8")
    files = list_files(folder, {written.path: "model"} | _ROLES)
    model = ModelEntry(source.source, written.path, parameter_count(source.model), reference.multiply_adds)
    given = written.signature
    function = interface_of(
        source, given.inputs, given.outputs, preprocessing_inside=job.record.normalizes_inside
    )
    manifest = Manifest.of(source, job.record, model, function, rewritten.passes, figures, files)
    (folder / MANIFEST).write_text(canonical_json(manifest.to_json()), "utf-8")
    return rewritten.program
