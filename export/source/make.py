"""Making a model: a built-in variant, what a user's factory gives, or a library's, with random weights or a checkpoint's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cloformer
from cloformer.io.fields import Fields
from cloformer.io.words import count
from cloformer.variants import VARIANTS
from cloformer.weights import find_weights

from .libraries import make
from .libraries.asked import asked_of, names_a_library
from .named import locate, names_a_module, refuse_unknown
from .trained import Training, training_of
from .user_module import made_by

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Made", "Weights", "identified", "make_model", "summary_of", "tensors_sha256"]


@dataclass(frozen=True)
class Weights:
    """Where the weights came from: ``origin`` is "checkpoint", "random" (drawn from ``seed``) or "module" (as the
    user's factory made them). Hashes are SHA-256 in hexadecimal; ``file_sha256`` is the checkpoint's."""

    origin: str
    file_sha256: str | None
    tensors_sha256: str
    seed: int | None

    def to_json(self) -> dict[str, str | int | None]:
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Fields) -> Weights:
        """The record in a JSON object; :class:`FieldError` for the first field that is wrong."""
        record = cls(
            fields.choice("origin", ("checkpoint", "random", "module")),
            fields.optional("file_sha256", fields.sha256),
            fields.sha256("tensors_sha256"),
            fields.optional("seed", lambda name: fields.whole(name, -(2**63), 2**63 - 1)),
        )
        fields.done()
        return record


@dataclass(frozen=True)
class Made:
    """A module, what names it in a manifest and in a file's name, the record of its weights, and what the checkpoint that
    they came from, or the library, says of images and classes. ``versions`` are of the packages that the network is from,
    and ``notes`` for people."""

    reference: str
    model: nn.Module
    weights: Weights
    name: str
    training: Training = field(default_factory=Training)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def make_model(
    reference: str, weights: Path | None, num_classes: int | None, seed: int, option: str = "--model"
) -> Made:
    """The model that ``reference`` names, a variant or a factory as :mod:`.named` says or a library's as
    :mod:`.libraries.asked` does, with the weights of a checkpoint, or those of ``seed``. Errors name ``option``.

    Raises :class:`UsageError` for a name that does not exist, :class:`InputError` for a checkpoint that cannot be
    read or does not fit, and for a factory that fails, and :class:`MissingRuntimeError` for a library that is not there.
    """
    weights = None if weights is None else find_weights(weights)
    if names_a_library(reference):
        return _from_library(reference, weights, seed, option)
    if names_a_module(reference):
        return _from_module(reference, weights, seed, option)
    refuse_unknown(reference, option)
    return _from_variant(reference, weights, num_classes, seed)


def identified(weights: Path) -> str | None:
    """The name of the built-in network that a checkpoint holds; None if it holds none."""
    from cloformer.checkpoint import identify, read_checkpoint
    from cloformer.create import identify_dense

    found = read_checkpoint(weights)
    variant = identify(found.tensors, found.metadata)
    return identify_dense(found.tensors) if variant is None else variant.name


def summary_of(reference: str, weights: Weights) -> str:
    """One line for viewers, which says so if the weights are random."""
    trained = "" if weights.origin != "random" else f", NOT TRAINED: random weights of seed {weights.seed}"
    return f"{reference}, exported by cloformer{trained}"


def tensors_sha256(model: nn.Module) -> str:
    """One hash of all weights and buffers: names, types, shapes and values, in order of name."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _from_variant(name: str, weights: Path | None, num_classes: int | None, seed: int) -> Made:
    import torch

    from cloformer.checkpoint import load_checkpoint

    if name not in VARIANTS:
        return _dense(name, weights, num_classes, seed)
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model: nn.Module = cloformer.create_model(name, num_classes=num_classes or 1000)
        return Made(name, model, Weights("random", None, tensors_sha256(model), seed), name)
    model, checkpoint = load_checkpoint(weights, name, num_classes=num_classes)
    record = Weights("checkpoint", checkpoint.sha256, tensors_sha256(model), None)
    left = model.widths.beside(model.variant.widths)
    notes = (f"the checkpoint is pruned: {left} are left",) if left else ()
    return Made(name, model, record, name, training_of(checkpoint.metadata, weights), notes=notes)


def _dense(name: str, weights: Path | None, num_classes: int | None, seed: int) -> Made:
    """A network of several maps; what a classifier's checkpoint does not have is drawn from ``seed``, and said."""
    import torch

    from cloformer.checkpoint import read_checkpoint

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = cloformer.create_dense_model(name, num_classes=num_classes, weights=weights)
    if weights is None:
        return Made(name, model, Weights("random", None, tensors_sha256(model), seed), name)
    new = model.newly_initialized
    notes = (
        (f"NOT TRAINED: {len(new)} of {count(model.state_dict(), 'tensor')}, which the checkpoint does not have, the first "
         f"{new[0]}, are drawn from seed {seed}",)
        if new else ()
    )  # fmt: skip
    record = Weights(
        "checkpoint", read_checkpoint(weights).sha256, tensors_sha256(model), seed if new else None
    )
    return Made(name, model, record, name, notes=notes)


def _from_library(reference: str, weights: Path | None, seed: int, option: str) -> Made:
    asked = asked_of(reference, option)
    found = make(asked, weights, seed)
    digest, tensors = found.weights_sha256, tensors_sha256(found.model)
    record = (
        Weights("random", None, tensors, seed)
        if digest is None
        else Weights("checkpoint", digest, tensors, None)
    )
    return Made(
        asked.reference, found.model, record, asked.file_name, found.training, found.versions, found.notes
    )


def _from_module(reference: str, weights: Path | None, seed: int, option: str) -> Made:
    from .usable import usable

    factory = locate(reference, option)
    model = usable(made_by(factory, option, seed), f"{option} {factory.said}")
    name = factory.reference.replace(":", ".")
    if weights is None:
        return Made(factory.reference, model, Weights("module", None, tensors_sha256(model), seed), name)
    from cloformer.checkpoint import load_into, read_checkpoint

    checkpoint = read_checkpoint(weights)
    load_into(model, checkpoint.tensors)
    record = Weights("checkpoint", checkpoint.sha256, tensors_sha256(model), None)
    return Made(factory.reference, model, record, name)
