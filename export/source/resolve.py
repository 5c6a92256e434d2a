"""What is to be exported: a built-in variant or a user's module, its weights, and how it is fed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import CheckpointError, UsageError
from cloformer.variants import VARIANTS, is_built_in, variant_and_head

from .decoding import Declared, Decoding
from .labels import read_labels
from .libraries.asked import names_a_library
from .make import Made, Weights, identified, make_model, summary_of
from .named import names_a_module
from .preprocessing import Preprocessing
from .roles import OutputRole, given_roles
from .signature import TensorSpec
from .spec import ModelSpec
from .trained import Training

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Source", "SourceRequest", "check_fits", "labels_of", "resolve", "roles_of"]

DEFAULT_MODEL = "cloformer_xxs"


@dataclass(frozen=True)
class SourceRequest:
    """Which model is asked for, as the options say it.

    ``model`` is a variant's name or a factory, as :mod:`.named` says, or a library's, as :mod:`.libraries.asked` does; None is the variant that ``weights`` are, or
    cloformer_xxs. ``image_size`` is (height, width) in pixels; None is the model's own. ``option`` is what named the model, for
    errors.
    """

    model: str | None = None
    weights: Path | None = None
    image_size: tuple[int, int] | None = None
    batch: int = 1
    num_classes: int | None = None
    labels: Path | None = None
    spec: ModelSpec = field(default_factory=ModelSpec)
    seed: int = 0
    option: str = "--model"
    decoding: Decoding = field(default_factory=Decoding)


@dataclass(frozen=True)
class Source:
    """A model ready to be traced, and everything the artifact says about it. ``notes`` are for people: what was done to the
    model that they brought. ``versions`` are of the packages that the network is from. ``labels_of`` is the output that the
    labels are of; None: the first. ``given_by`` says who gives the "labels" and the "preprocessing", where that is not the
    artifact that is judged. ``roles`` are given by the specification or the built-in network; none for a classifier, and for a
    module of which nobody says any. ``declared`` are those of the network itself, where ``model`` decodes them."""

    name: str
    source: str
    model: nn.Module
    inputs: tuple[TensorSpec, ...]
    output_names: tuple[str, ...]
    output_role: str
    preprocessing: Mapping[str, Preprocessing]
    labels: tuple[str, ...] | None
    weights: Weights
    summary: str
    labels_of: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    given_by: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[OutputRole, ...] = ()
    declared: Declared | None = None


def resolve(request: SourceRequest) -> Source:
    """The source that a request names.

    Raises :class:`UsageError` for an unknown model, :class:`InputError` for a bad checkpoint, label file or factory.
    """
    reference, held = request.model, None
    if reference is None:
        held = None if request.weights is None else identified(request.weights)
        reference = held or DEFAULT_MODEL
    is_module = names_a_library(reference) or names_a_module(reference)
    if is_module and request.num_classes is not None:
        raise _classes_are_elsewhere(reference, request.num_classes)
    made = _make(reference, request, is_known=held is not None or request.model is not None)
    trained = made.training
    spec = request.spec
    labels, _ = labels_of(request.labels, spec, trained)
    default_size = (224, 224) if is_module else _own_size(reference)
    if trained.preprocessing is not None:
        default_size = trained.preprocessing.height, trained.preprocessing.width
    size = request.image_size or default_size
    inputs, preprocessing = spec.inputs(
        size, request.batch, given_size=request.image_size is not None, trained=trained.preprocessing
    )
    if not is_module:
        height, width = inputs[0].shape[2:]
        check_fits(height, width, reference)
    from .fit import Fitted, fit

    fitted = fit(made.model, inputs) if is_module else Fitted(inputs)
    # A classifier of ours gives logits; a user's module gives logits if its classes are named, else plain tensors.
    logits = reference in VARIANTS or labels is not None
    roles = spec.roles or roles_of(reference)
    own_names = fitted.names or (("logits",) if logits and fitted.is_alone else ())
    names = spec.outputs or tuple(item.name for item in roles) or own_names
    from .decoded import with_decoding

    found = with_decoding(made.model.eval(), fitted.inputs, names, roles, request.decoding)
    return Source(
        name=made.name,
        source=made.reference,
        model=found.model,
        inputs=fitted.inputs,
        output_names=found.names,
        output_role="logits" if logits else "tensor",
        preprocessing=preprocessing,
        labels=labels,
        weights=made.weights,
        summary=summary_of(made.reference, made.weights),
        labels_of=spec.labels_of,
        metadata={**trained.about, **spec.metadata},
        versions=made.versions,
        notes=(*made.notes, *fitted.notes),
        roles=found.roles,
        declared=found.declared,
    )


def _make(reference: str, request: SourceRequest, *, is_known: bool) -> Made:
    """The model with its weights. Where the checkpoint was to say which model it is, and does not, the error says so."""
    try:
        return make_model(reference, request.weights, request.num_classes, request.seed, request.option)
    except CheckpointError as error:
        if is_known:
            raise
        raise CheckpointError(
            f"{request.weights} holds no built-in model. As {reference}: {error.lines[0]}",
            f"for a model of your own: --model nets.py:build --weights {request.weights}",
            **error.details,  # type: ignore[arg-type]
        ) from None


def _classes_are_elsewhere(reference: str, classes: int) -> UsageError:
    way = "let the factory make the right head"
    if names_a_library(reference):
        way = f"for example --model '{reference.partition('?')[0]}?num_classes={classes}'"
    return UsageError("--num-classes is for the built-in models", way)


def labels_of(
    path: Path | None, spec: ModelSpec, trained: Training
) -> tuple[tuple[str, ...] | None, str | None]:
    """The class names, and who gives them: None twice if nobody does."""
    if path is not None:
        return read_labels(path), "--labels"
    if spec.labels is not None:
        return spec.labels, "--spec"
    return trained.labels, None if trained.labels is None else trained.by


def roles_of(reference: str) -> tuple[OutputRole, ...]:
    """The roles of a built-in network's outputs; none for a classifier, or a module of the user's."""
    if not is_built_in(reference):
        return ()
    _, head = variant_and_head(reference)
    return given_roles(None if head is None else head.name)


def _own_size(name: str) -> tuple[int, int]:
    variant, head = variant_and_head(name)
    size = variant.image_size if head is None else head.image_size
    return size, size


def check_fits(height: int, width: int, name: str = DEFAULT_MODEL) -> None:
    """:class:`UsageError`, with the nearest size, for images that the built-in model ``name`` does not take."""
    from cloformer.model import MAPS_MULTIPLE, SIZE_MULTIPLE, check_image_size, fitting_size

    multiple = SIZE_MULTIPLE if name in VARIANTS else MAPS_MULTIPLE
    try:
        check_image_size(height, width, multiple)
    except ValueError as error:
        near = "x".join(str(fitting_size(size, multiple)) for size in dict.fromkeys((height, width)))
        raise UsageError(str(error), f"for example --image-size {near}") from None
