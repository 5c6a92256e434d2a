"""What is to be exported: a built-in variant or a user's module, its weights, and how it is fed."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloformer
from cloformer.variants import VARIANTS

from .errors import InputError, UsageError, choose
from .preprocessing import Preprocessing
from .signature import TensorSpec
from .spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from .artifact import Artifact

__all__ = ["Source", "Weights", "rebuild", "resolve", "tensors_sha256"]


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
    module, record = make(model, weights, num_classes, seed)
    names = spec.labels if labels is None else read_labels(labels)
    default_size = (224, 224) if is_module else (VARIANTS[model].image_size,) * 2
    inputs, preprocessing = spec.inputs(image_size or default_size, batch, given_size=image_size is not None)
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
        metadata=spec.metadata,
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
    module, found = make(model, weights, request["num_classes"], record["seed"] or 0)
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
        raise _checkpoint_error(error) from error
    return variant.name if variant is not None else DEFAULT_MODEL


def _variant(
    name: str, weights: Path | None, num_classes: int | None, seed: int
) -> tuple[nn.Module, Weights]:
    import torch

    from cloformer.checkpoint import CheckpointError, load_checkpoint

    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model: nn.Module = cloformer.create_model(name, num_classes=num_classes or 1000)
        return model, Weights("random", None, tensors_sha256(model), seed)
    try:
        model, checkpoint = load_checkpoint(weights, name, num_classes=num_classes)
    except CheckpointError as error:
        raise _checkpoint_error(error) from error
    return model, Weights("checkpoint", checkpoint.sha256, tensors_sha256(model), None)


def _user_module(
    reference: str, weights: Path | None, _classes: int | None, seed: int
) -> tuple[nn.Module, Weights]:
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
            f"--model {reference}: there is no module {error.name!r}",
            "give package.module:factory, importable from the current folder",
        ) from error
    except AttributeError as error:
        raise UsageError(f"--model {reference}: {error}", "give package.module:factory") from error
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise InputError(
            f"--model {reference} failed: {type(error).__name__}: {reason}",
            "call the factory in Python to see where (--debug shows the traceback)",
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"--model {reference} gave a {type(model).__name__}, not a torch.nn.Module",
            "name a factory that returns the module, or the module itself",
        )
    if weights is None:
        return model, Weights("module", None, tensors_sha256(model), seed)
    from cloformer.checkpoint import CheckpointError, load_into, read_checkpoint

    try:
        checkpoint = read_checkpoint(weights)
        load_into(model, checkpoint.tensors)
    except CheckpointError as error:
        raise _checkpoint_error(error) from error
    return model, Weights("checkpoint", checkpoint.sha256, tensors_sha256(model), None)


def _checkpoint_error(error: Any) -> InputError:
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
