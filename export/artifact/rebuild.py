"""The model that an artifact was exported from, made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError
from cloformer.variants import VARIANTS

from ..source.make import make_model, summary_of
from ..source.preprocessing import Preprocessing
from ..source.resolve import Source
from ..source.signature import TensorSpec

if TYPE_CHECKING:
    from .folder import Artifact

__all__ = ["rebuild"]


def rebuild(artifact: Artifact, *, model: str | None, weights: Path | None) -> Source | None:
    """The model that ``artifact`` was exported from; None if what is given does not say which that is.

    A built-in model needs its checkpoint, or nothing if its weights are those of a seed. A module of the
    user's is imported only if ``model`` names it, never because a manifest does. Raises :class:`InputError` if
    the weights are not those of the export.
    """
    manifest = artifact.manifest
    request, record = manifest["request"], manifest["weights"]
    built_in = request["model"] in VARIANTS
    if model is None:
        if not built_in or (weights is None and record["origin"] != "random"):
            return None
        model = request["model"]
    made = make_model(model, weights, request["num_classes"], record["seed"] or 0)
    found = made.weights
    if found.tensors_sha256 != record["tensors_sha256"]:
        raise InputError(
            f"these are not the weights that {artifact.folder} was exported from: {found.tensors_sha256[:16]}..., "
            f"and the manifest says {record['tensors_sha256'][:16]}...",
            "give the checkpoint of the export with --weights"
            if weights is None
            else "give another --weights",
        )
    labels = artifact.labels()
    return Source(
        name=manifest["name"],
        source=model,
        model=made.model.eval(),
        inputs=tuple(TensorSpec.from_json(entry) for entry in request["inputs"]),
        output_names=tuple(request["outputs"]),
        output_role="logits" if built_in or labels is not None else "tensor",
        preprocessing={
            name: Preprocessing.from_json(rule) for name, rule in request["preprocessing"].items()
        },
        labels=None if labels is None else tuple(labels),
        weights=found,
        summary=summary_of(model, found),
        metadata=request["metadata"],
    )
