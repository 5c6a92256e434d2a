"""The model that an artifact was exported from, made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError
from cloformer.variants import VARIANTS

from ..source.make import summary_of
from ..source.models import Models
from ..source.resolve import Source

if TYPE_CHECKING:
    from .folder import Artifact

__all__ = ["rebuild"]


def rebuild(
    artifact: Artifact, *, model: str | None, weights: Path | None, models: Models | None = None
) -> Source | None:
    """The model that ``artifact`` was exported from; None if what is given does not say which that is.

    A built-in model needs its checkpoint, or nothing if its weights are those of a seed. A module of the
    user's is imported only if ``model`` names it, never because a manifest does. What ``models`` has made already is not
    made again. Raises :class:`InputError` if the weights are not those of the export.
    """
    request, record = artifact.manifest.request, artifact.manifest.weights
    built_in = request.model in VARIANTS
    if model is None:
        if not built_in or (weights is None and record.origin != "random"):
            return None
        model = request.model
    made = (models or Models()).make(model, weights, request.num_classes, record.seed or 0)
    found = made.weights
    if found.tensors_sha256 != record.tensors_sha256:
        raise InputError(
            f"these are not the weights that {artifact.folder} was exported from: {found.tensors_sha256[:16]}..., "
            f"and the manifest says {record.tensors_sha256[:16]}...",
            "give the checkpoint of the export with --weights"
            if weights is None
            else "give another --weights",
        )
    from ..source.widen import as_float32

    as_float32(made.model.eval(), request.inputs)
    return Source(
        name=artifact.manifest.name,
        source=model,
        model=made.model,
        inputs=request.inputs,
        output_names=request.outputs,
        output_role="logits" if built_in or artifact.labels is not None else "tensor",
        preprocessing=request.preprocessing,
        labels=artifact.labels,
        weights=found,
        summary=summary_of(model, found),
        metadata=request.metadata,
    )
