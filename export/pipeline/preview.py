"""What an export would do, without writing: `--dry-run`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.io.progress import Progress
from cloformer.io.staging import refuse_early, space_needed

from ..artifact.manifest import PassRecord
from ..source.interface import with_roles
from ..source.precision import Precision
from ..source.signature import Signature
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

__all__ = ["Preview", "preview"]


@dataclass(frozen=True)
class Preview:
    """An artifact that would be written: its job, what goes in and comes out, the names of its classes, the passes with the
    sites that they rewrite, the bytes of its weights, and what a person should know of it."""

    job: Job
    signature: Signature
    labels: tuple[str, ...] | None
    passes: tuple[PassRecord, ...]
    bytes: int
    notes: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.job.folder

    def to_json(self) -> dict[str, object]:
        return {
            "folder": self.folder.name,
            "format": self.job.format.name,
            "inputs": [
                item.to_json() | {"preprocessing": rule.to_json() if rule is not None else None}
                for item, rule in (
                    (item, self.job.record.preprocessing.get(item.name)) for item in self.signature.inputs
                )
            ],
            "outputs": [item.to_json() for item in self.signature.outputs],
            "classes": None if self.labels is None else len(self.labels),
            "bytes": self.bytes,
            "passes": [
                {
                    "name": item.name,
                    "sites": len(item.sites),
                    "added_multiply_adds": item.added_multiply_adds,
                }
                for item in self.passes
            ],
            "notes": list(self.notes),
            "request": self.job.record.to_json(),
        }


def preview(request: ExportRequest, progress: Progress = lambda _: None) -> list[Preview]:
    """What :func:`.export.export` would write for each format of ``request``.

    Raises what that would raise, as far as it can be told before a model is run: of options, labels, operators that a
    format cannot take, and the output's place. The model is converted, and thrown away.
    """
    choices = choose_formats(request)
    source = make_source(request, progress)
    traced = trace_source(source, progress)
    jobs = jobs_for(request, choices, source)
    refuse_labels(jobs, source, traced)
    signature = with_roles(traced.signature, source)

    def make(_number: int, job: Job) -> Preview:
        refuse_early(job.folder)
        space_needed(job.folder.parent, room_for(source))
        ranged = with_ranges(job, source, traced, progress)
        job = ranged.job
        progress(f"{job.format.title}: rewriting and converting")
        rewritten = rewrite(job, source, traced)
        job = with_wide_places(job, source, traced, rewritten.program)
        with tempfile.TemporaryDirectory(prefix="cloformer-dry-run-") as folder:
            write_model(job, source, signature, rewritten.program, Path(folder))
        size = _stored(rewritten.program, job.record.precision)
        notes = (*source.notes, *traced.notes, *ranged.notes)
        return Preview(job, signature, source.labels, rewritten.passes, size, notes)

    return of_each(jobs, make, lambda item: f"{item.job.format.title} goes through")


def _stored(program: ExportedProgram, precision: Precision) -> int:
    """Bytes of the program's weights as ``precision`` stores floats, and the whole numbers that stand for some."""
    import torch

    values: Sequence[object] = [*program.state_dict.values(), *program.constants.values()]
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    small = (torch.int8, torch.uint8, torch.float16) if precision.are_weights_compressed else ()

    def bits(tensor: torch.Tensor) -> int:
        if tensor.dtype in small:
            return precision.bits
        return precision.constant_bits if tensor.is_floating_point() else 8 * tensor.element_size()

    return sum(tensor.numel() * bits(tensor) // 8 for tensor in tensors)
