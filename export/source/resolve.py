"""What is to be exported: a built-in variant or a user's module, its weights, and how it is fed."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloformer
from cloformer.errors import InputError, UsageError, choose
from cloformer.variants import VARIANTS

from .preprocessing import Preprocessing
from .signature import TensorSpec
from .spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from ..artifact.folder import Artifact

__all__ = [
    "Source",
    "Weights",
    "checkpoint_error",
    "read_labels",
    "rebuild",
    "resolve",
    "tensors_sha256",
    "training_of",
    "user_module",
]


DEFAULT_MODEL = "cloformer_xxs"


@dataclass(frozen=True)
class Weights:
    """Where the weights came from; hashes are SHA-256 in hexadecimal."""

    origin: str  # "checkpoint", "random" or "module"
    file_sha256: str | None
    tensors_sha256: str
    seed: int | None

    def to_json(self) -> dict[str, Any]:
        return {
            "origin": self.origin,
            "file_sha256": self.file_sha256,
            "tensors_sha256": self.tensors_sha256,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Source:
    """A model ready to be traced, and everything the artifact says about it."""

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
    metadata: Mapping[str, str] = field(default_factory=dict)


def resolve(
    model: str | None,
    *,
    weights: Path | None,
    image_size: tuple[int, int] | None,
    batch: int,
    num_classes: int | None,
    labels: Path | None,
    spec: ModelSpec,
    seed: int,
) -> Source:
    """The source that ``--model`` and its companions name.

    Raises :class:`UsageError` for an unknown model, :class:`InputError` for a bad checkpoint,
    label file or factory.
    """
    if model is None:
        model = _identified(weights) if weights is not None else DEFAULT_MODEL
    is_module = ":" in model
    if not is_module:
        choose("model", model, VARIANTS)
    if is_module and num_classes is not None:
        raise UsageError("--num-classes is for the built-in models", "let the factory make the right head")
    make = _user_module if is_module else _variant
    module, record, said = make(model, weights, num_classes, seed)
    trained = training_of(said, weights)
    names = read_labels(labels) if labels is not None else spec.labels or trained.labels
    default_size = (224, 224) if is_module else (VARIANTS[model].image_size,) * 2
    if trained.preprocessing is not None:
        default_size = trained.preprocessing.height, trained.preprocessing.width
    inputs, preprocessing = spec.inputs(image_size or default_size, batch, given_size=image_size is not None)
    if trained.preprocessing is not None and not spec.declared:
        rule = trained.preprocessing.at_size(*inputs[0].shape[2:])
        preprocessing = dict.fromkeys(preprocessing, rule)
    if not is_module:
        _check_size(inputs[0])
    # CloFormer gives logits; a user's module gives logits if its classes are named, else plain tensors.
    logits = not is_module or names is not None
    return Source(
        name=model.replace(":", "."),
        source=model,
        model=module.eval(),
        inputs=inputs,
        output_names=spec.outputs or (("logits",) if logits else ()),
        output_role="logits" if logits else "tensor",
        preprocessing=preprocessing,
        labels=names,
        weights=record,
        summary=_summary(model, record),
        metadata={**trained.about, **spec.metadata},
    )


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
    make = _user_module if ":" in model else _variant
    if make is _variant:
        choose("model", model, VARIANTS)
    module, found, _ = make(model, weights, request["num_classes"], record["seed"] or 0)
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
        model=module.eval(),
        inputs=tuple(TensorSpec.from_json(entry) for entry in request["inputs"]),
        output_names=tuple(request["outputs"]),
        output_role="logits" if built_in or labels is not None else "tensor",
        preprocessing={
            name: Preprocessing.from_json(rule) for name, rule in request["preprocessing"].items()
        },
        labels=None if labels is None else tuple(labels),
        weights=found,
        summary=_summary(model, found),
        metadata=request["metadata"],
    )


@dataclass(frozen=True)
class _Training:
    """What a checkpoint says of how it was trained; a checkpoint from elsewhere says nothing."""

    labels: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    about: Mapping[str, str] = field(default_factory=dict)


def training_of(metadata: Mapping[str, str], weights: Path | None) -> _Training:
    """:class:`InputError` if what `cloformer train` writes there is not what it writes."""
    if "cloformer" not in metadata:
        return _Training()
    try:
        labels = json.loads(metadata["labels"])
        if not all(isinstance(name, str) for name in labels):
            raise ValueError("labels are not words")
        rule = Preprocessing.from_json(json.loads(metadata["preprocessing"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"checkpoint {weights} does not say how it was trained: {error}", "copy or download it again"
        ) from None
    about = {key: metadata[key] for key in ("dataset", "licence") if key in metadata}
    return _Training(tuple(labels), rule, about)


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names, one a line in UTF-8; :class:`InputError` if one is empty, repeated or unreadable."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"labels {path} cannot be read: {error}", "give a UTF-8 file, one class name a line"
        ) from None
    while lines and not lines[-1].strip():
        lines.pop()
    names = tuple(line.strip() for line in lines)
    if not names or "" in names:
        raise InputError(f"labels {path} has an empty line or no line", "give one class name a line")
    if len(set(names)) != len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise InputError(f"labels {path} has {twice!r} twice", "give every class a name of its own")
    return names


def tensors_sha256(model: nn.Module) -> str:
    """One hash of all weights and buffers: names, types, shapes and values, in order of name."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _identified(weights: Path) -> str:
    """The variant that a checkpoint holds; the default if it is none, so that loading says what differs."""
    from cloformer.checkpoint import CheckpointError, identify, read_checkpoint

    try:
        variant = identify(read_checkpoint(weights).tensors)
    except CheckpointError as error:
        raise checkpoint_error(error) from error
    return variant.name if variant is not None else DEFAULT_MODEL


_Made = tuple["nn.Module", Weights, Mapping[str, str]]  # the third is the checkpoint's metadata


def _variant(name: str, weights: Path | None, num_classes: int | None, seed: int) -> _Made:
    import torch

    from cloformer.checkpoint import CheckpointError, load_checkpoint

    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model: nn.Module = cloformer.create_model(name, num_classes=num_classes or 1000)
        return model, Weights("random", None, tensors_sha256(model), seed), {}
    try:
        model, checkpoint = load_checkpoint(weights, name, num_classes=num_classes)
    except CheckpointError as error:
        raise checkpoint_error(error) from error
    record = Weights("checkpoint", checkpoint.sha256, tensors_sha256(model), None)
    return model, record, checkpoint.metadata


def user_module(reference: str, option: str = "--model", seed: int = 0) -> nn.Module:
    """What ``package.module:factory`` makes, with ``seed`` for its random weights.

    Raises :class:`UsageError` if there is no such factory, :class:`InputError` if it fails; both name ``option``.
    """
    import torch
    from torch import nn

    module_name, _, attribute = reference.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # at the end: nothing of the user's replaces what is installed
    try:
        factory = importlib.import_module(module_name)
        for part in attribute.split("."):
            factory = getattr(factory, part)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = factory() if callable(factory) and not isinstance(factory, nn.Module) else factory
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{option} {reference}: there is no module {error.name!r}",
            "give package.module:factory, importable from the current folder",
        ) from error
    except AttributeError as error:
        raise UsageError(f"{option} {reference}: {error}", "give package.module:factory") from error
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise InputError(
            f"{option} {reference} failed: {type(error).__name__}: {reason}",
            "call the factory in Python to see where (--debug shows the traceback)",
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{option} {reference} gave a {type(model).__name__}, not a torch.nn.Module",
            "name a factory that returns the module, or the module itself",
        )
    return model


def _user_module(reference: str, weights: Path | None, _classes: int | None, seed: int) -> _Made:
    model = user_module(reference, seed=seed)
    if weights is None:
        return model, Weights("module", None, tensors_sha256(model), seed), {}
    from cloformer.checkpoint import CheckpointError, load_into, read_checkpoint

    try:
        checkpoint = read_checkpoint(weights)
        load_into(model, checkpoint.tensors)
    except CheckpointError as error:
        raise checkpoint_error(error) from error
    return model, Weights("checkpoint", checkpoint.sha256, tensors_sha256(model), None), {}


def checkpoint_error(error: Any) -> InputError:
    """The same with an exit code, and with all keys that differ for `--json`."""
    details = {"missing": error.missing, "unexpected": error.unexpected, "misshaped": error.misshaped}
    return InputError(
        str(error),
        *([error.hint] if error.hint else []),
        details={key: list(value) for key, value in details.items()},
    )


def _check_size(spec: TensorSpec) -> None:
    from cloformer.model import check_image_size

    try:
        check_image_size(*spec.shape[2:])
    except ValueError as error:
        raise UsageError(str(error), "choose another --image-size") from None


def _summary(model: str, weights: Weights) -> str:
    trained = "" if weights.origin != "random" else f", NOT TRAINED: random weights of seed {weights.seed}"
    return f"{model}, exported by cloformer{trained}"
