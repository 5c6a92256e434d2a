"""The model that an artifact was exported from, made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError
from cloformer.variants import VARIANTS, is_built_in

from ..source.make import summary_of
from ..source.models import Models
from ..source.preprocessing import Preprocessing
from ..source.resolve import Source, labels_of, roles_of
from ..source.signature import TensorSpec
from ..source.spec import ModelSpec

if TYPE_CHECKING:
    from .folder import Artifact

__all__ = ["rebuild"]


def rebuild(
    artifact: Artifact,
    *,
    model: str | None,
    weights: Path | None,
    spec: ModelSpec | None = None,
    labels: Path | None = None,
    models: Models | None = None,
) -> Source | None:
    """The model that ``artifact`` was exported from; None if what is given does not say which that is.

    A built-in model needs its checkpoint, or nothing if its weights are those of a seed. A module of the
    user's is imported only if ``model`` names it, never because a manifest does. Class names and preprocessing are those
    that ``labels``, ``spec`` or the checkpoint give, and the artifact's own where none does: ``given_by`` tells. What
    ``models`` has made already is not made again. Raises :class:`InputError` if the weights, or the inputs of ``spec``, are
    not those of the export.
    """
    request, record = artifact.manifest.request, artifact.manifest.weights
    built_in = is_built_in(request.model)
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
    from ..source.fit import Fitted, fit

    given, trained = spec or ModelSpec(), made.training
    inputs = _inputs(artifact, given)
    fitted = Fitted(inputs) if built_in else fit(made.model, inputs, said=request.inputs)
    names, by = labels_of(labels, given, trained)
    given_by = {} if by is None else {"labels": by}
    rules: Mapping[str, Preprocessing] = request.preprocessing
    if given.declared:
        _, rules = given.inputs((1, 1), 1, given_size=False)
        given_by["preprocessing"] = "--spec"
    elif trained.preprocessing is not None and rules:
        rules = {
            item.name: trained.preprocessing.at_size(*item.shape[2:]) for item in inputs if item.name in rules
        }
        given_by["preprocessing"] = trained.by
    labelled = names if by is not None else artifact.labels
    outputs = given.outputs or request.outputs
    roles = given.roles or roles_of(made.reference) or request.roles
    from ..source.decoded import with_decoding

    decoded = with_decoding(made.model.eval(), fitted.inputs, outputs, roles, request.decoding)
    return Source(
        name=artifact.manifest.name,
        source=made.reference,
        model=decoded.model,
        inputs=fitted.inputs,
        output_names=decoded.names,
        roles=decoded.roles,
        declared=decoded.declared,
        output_role="logits" if request.model in VARIANTS or labelled is not None else "tensor",
        preprocessing=rules,
        labels=labelled,
        weights=found,
        summary=summary_of(made.reference, found),
        labels_of=request.labels_of if spec is None else spec.labels_of,
        metadata=request.metadata,
        given_by=given_by,
    )


def _inputs(artifact: Artifact, spec: ModelSpec) -> tuple[TensorSpec, ...]:
    """The model's inputs: as ``spec`` declares them, or as the artifact was asked for, but for the numbers that they take."""
    asked = tuple(replace(item, values=None) for item in artifact.manifest.request.inputs)
    if not spec.declared:
        return asked
    if tuple(replace(item, values=None) for item in spec.declared) != asked:
        raise InputError(
            f"--spec declares {_words(spec.declared)}, and {artifact.folder} takes {_words(asked)}",
            "give the --spec of the export",
        )
    return spec.declared


def _words(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{item.name} {item.dtype} {list(item.shape)}" for item in specs)
