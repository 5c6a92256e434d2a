"""Models in folders as the Hugging Face Hub has them: ``hf:FOLDER`` with ``config.json`` and ``model.safetensors``.

A folder says by its configuration whose network it holds: timm's (``architecture``) or that of transformers (``model_type``
and ``architectures``). Code in a folder is never run, and its weights are read as every checkpoint is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloformer.errors import CheckpointError, InputError, UnsupportedError, UsageError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.missing import is_file
from cloformer.io.read import read_json

from ..preprocessing import Preprocessing
from ..trained import Training
from .asked import Asked
from .image_processor import read_processor
from .made import FromLibrary, called, class_names
from .of_timm import preparation_of
from .package import package, version_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["folder_model"]

_CONFIG, _PROCESSOR = "config.json", "preprocessor_config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_INDEX = "model.safetensors.index.json"
_MOST = 2**24  # bytes of a configuration
_ADVICE = (
    "give a folder with config.json and model.safetensors, as a model of the Hugging Face Hub is downloaded"
)
_NO_NAME = "LABEL_"  # what transformers calls classes that nobody named


@dataclass(frozen=True)
class _Weights:
    tensors: Mapping[str, Tensor]
    sha256: str


def folder_model(asked: Asked, weights: Path | None, seed: int) -> FromLibrary:
    """The network that the folder's configuration names, with the weights of ``weights``, else with the folder's own, else
    with random ones.

    Raises :class:`MissingRuntimeError` without the package that the network is from, :class:`InputError` for a folder that
    cannot be read and weights that do not fit, and :class:`UnsupportedError` for a network that is code in the folder.
    """
    folder = Path(asked.name).expanduser()
    config = _read(folder / _CONFIG)
    found = _weights(folder) if weights is None else _file(weights)
    try:
        if config.get("model_type") == "cloformer":
            raise UsageError(
                f"{asked.option} {asked.said} is a checkpoint of a built-in model",
                f"give it as {asked.option.replace('--model', '--weights')} {folder}",
            )
        if "architecture" in config:
            return _of_timm(asked, Fields(config), found, seed)
        return _of_transformers(asked, folder, Fields(config), found, seed)
    except FieldError as error:
        raise InputError(f"{folder / _CONFIG}: {error}", _ADVICE) from None


def _read(path: Path) -> dict[str, object]:
    value = read_json(path, _MOST, _ADVICE)
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no object", _ADVICE)
    return dict(value)


def _file(path: Path) -> _Weights:
    from cloformer.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(path)
    return _Weights(checkpoint.tensors, checkpoint.sha256)


def _weights(folder: Path) -> _Weights | None:
    """The folder's weights: one file, or several that an index lists, whose hash is that of their hashes."""
    one = next((folder / name for name in _WEIGHTS if is_file(folder / name)), None)
    if one is not None:
        return _file(one)
    if not is_file(folder / _INDEX):
        return None
    try:
        names = sorted(set(Fields(_read(folder / _INDEX)).table("weight_map").values()))
    except FieldError as error:
        raise InputError(f"{folder / _INDEX}: {error}", _ADVICE) from None
    if any(Path(name).name != name for name in names):
        raise InputError(f"{folder / _INDEX} names files outside of {folder}", _ADVICE)
    parts = [_file(folder / name) for name in names]
    tensors = {key: value for part in parts for key, value in part.tensors.items()}
    return _Weights(tensors, sha256("".join(part.sha256 for part in parts).encode()).hexdigest())


def _of_timm(asked: Asked, config: Fields, weights: _Weights | None, seed: int) -> FromLibrary:
    timm = package("timm", asked)
    name = config.text("architecture")
    own = config.child("pretrained_cfg").rest() if "pretrained_cfg" in config else {}
    if "num_classes" in config:
        own["num_classes"] = config.whole("num_classes")
    options = config.child("model_args").rest() if "model_args" in config else {}
    options |= asked.options
    model = called(
        asked, seed, lambda: timm.create_model(name, pretrained=False, pretrained_cfg=own, **options)
    )
    if weights is not None:
        from cloformer.checkpoint import load_into

        load_into(model, weights.tensors)
    names = config.texts("label_names") if "label_names" in config else ()
    words = config.table("label_descriptions") if "label_descriptions" in config else {}
    rule, notes = preparation_of(timm, model, options)
    labels = class_names([words.get(name, name) for name in names])
    digest = None if weights is None else weights.sha256
    return FromLibrary(model, Training(labels, rule, by=_CONFIG), digest, version_of(timm), notes)


def _of_transformers(
    asked: Asked, folder: Path, config: Fields, weights: _Weights | None, seed: int
) -> FromLibrary:
    kinds = config.texts("architectures", least=1)
    if "auto_map" in config:
        raise UnsupportedError(
            f"{asked.option} {asked.said}: {kinds[0]} is code in the folder, which is not run",
            f"import it yourself, in a function of nets.py that returns the network: {asked.option} nets.py:build",
        )
    transformers = package("transformers", asked)
    kind = getattr(transformers, kinds[0], None)
    if kind is None:
        raise UnsupportedError(
            f"{asked.option} {asked.said}: transformers {transformers.__version__} has no network {kinds[0]}",
            f"pip install --upgrade transformers, or give {asked.option} nets.py:build",
        )
    labels = _labels(config) if kinds[0].endswith("ForImageClassification") else None
    rule: Preprocessing | None = None
    notes: tuple[str, ...] = ()
    if is_file(folder / _PROCESSOR):
        try:
            rule, notes = read_processor(Fields(_read(folder / _PROCESSOR)))
        except ValueError as error:
            raise InputError(f"{folder / _PROCESSOR}: {error}", _ADVICE) from None
    model = called(asked, seed, lambda: _made(transformers, kind, folder, asked, weights))
    digest = None if weights is None else weights.sha256
    return FromLibrary(model, Training(labels, rule, by=_CONFIG), digest, version_of(transformers), notes)


def _made(transformers: Any, kind: Any, folder: Path, asked: Asked, weights: _Weights | None) -> Any:
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, **asked.options)
    if weights is None:
        return kind(config)
    model, found = kind.from_pretrained(
        None, config=config, state_dict=dict(weights.tensors), output_loading_info=True
    )
    missing, other = sorted(found["missing_keys"]), list(found["mismatched_keys"])
    if missing or other:
        first = missing[0] if missing else str(other[0])
        raise CheckpointError(
            f"{asked.option} {asked.said}: the weights lack {len(missing) + len(other)} of the network's tensors (first {first})",
            "give the weights of this network",
            missing=missing,
        )
    return model


def _labels(config: Fields) -> tuple[str, ...] | None:
    """The names of classes in the order of their numbers; None where nobody named them."""
    if "id2label" not in config:
        return None
    names = config.table("id2label")
    listed = [names.get(str(number), "") for number in range(len(names))]
    return None if all(name.startswith(_NO_NAME) for name in listed) else class_names(listed)
