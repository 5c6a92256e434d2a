"""What a TOML file or ``--input`` options say of a user's module: inputs, outputs, preprocessing, labels.

labels = "labels.txt"          # beside the TOML file
outputs = ["logits"]

[[inputs]]
name = "image"
shape = [1, 3, 224, 224]
dtype = "float32"
role = "image"                 # or "tensor"
[inputs.preprocessing]         # for images; what is left out is ImageNet's
resize_size = 256
mean = [0.5, 0.5, 0.5]

[metadata]
author = "..."
license = "..."
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloformer.errors import InputError, UsageError

from .preprocessing import Preprocessing
from .signature import TensorSpec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ModelSpec", "parse_input", "read_spec"]

_INPUT = re.compile(r"(?P<name>\w+)=(?P<shape>\d+(x\d+)*)(:(?P<dtype>\w+))?")
_KEYS = {"labels", "outputs", "inputs", "metadata"}
_INPUT_KEYS = {"name", "shape", "dtype", "role", "preprocessing"}


@dataclass(frozen=True)
class ModelSpec:
    """Declared inputs (none: one image), output names, labels and metadata."""

    declared: tuple[TensorSpec, ...] = ()
    preprocessing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def inputs(
        self, image_size: tuple[int, int], batch: int, *, given_size: bool
    ) -> tuple[tuple[TensorSpec, ...], dict[str, Preprocessing]]:
        """The inputs, and the preprocessing of each one that is an image."""
        if not self.declared:
            spec = TensorSpec("image", (batch, 3, *image_size), "float32", "image")
            return (spec,), {"image": Preprocessing.imagenet(*image_size)}
        if given_size or batch != 1:
            raise UsageError(
                "--image-size and --batch do not go with declared inputs", "give the sizes in their shapes"
            )
        rules = {
            spec.name: _preprocessing(spec, self.preprocessing.get(spec.name, {}))
            for spec in self.declared
            if spec.role == "image"
        }
        return self.declared, rules


def parse_input(text: str) -> TensorSpec:
    """``name=1x3x224x224:float32``; a name that is ``image`` is an image, any other a tensor."""
    match = _INPUT.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--input {text!r} is not NAME=SIZExSIZE...[:DTYPE]", "for instance image=1x3x224x224:float32"
        )
    shape = tuple(int(size) for size in match["shape"].split("x"))
    role = "image" if match["name"] == "image" and len(shape) == 4 else "tensor"
    try:
        return TensorSpec(match["name"], shape, match["dtype"] or "float32", role)
    except ValueError as error:
        raise UsageError(f"--input {text}: {error}") from None


def read_spec(path: Path) -> ModelSpec:
    """The TOML file at ``path``; :class:`InputError` names the key that is wrong."""
    from .labels import read_labels

    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"--spec {path} cannot be read: {error}", "see `cloformer export --help`") from None
    try:
        _refuse_unknown(data, _KEYS, "")
        declared = tuple(_tensor(entry) for entry in data.get("inputs", ()))
        for spec in declared:
            rule = next(e for e in data["inputs"] if e["name"] == spec.name).get("preprocessing", {})
            if spec.role == "image":
                _preprocessing(spec, rule)
            elif rule:
                raise ValueError(f"input {spec.name} is not an image, so it has no preprocessing")
        labels = read_labels(path.parent / str(data["labels"])) if "labels" in data else None
        return ModelSpec(
            declared,
            {entry["name"]: entry.get("preprocessing", {}) for entry in data.get("inputs", ())},
            tuple(str(name) for name in data.get("outputs", ())),
            labels,
            {str(key): str(value) for key, value in data.get("metadata", {}).items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"missing key {error}" if isinstance(error, KeyError) else error
        raise InputError(f"--spec {path}: {reason}", "see `cloformer export --help`") from None


def _tensor(entry: Mapping[str, Any]) -> TensorSpec:
    _refuse_unknown(entry, _INPUT_KEYS, f"inputs.{entry.get('name', '?')}.")
    shape = tuple(int(size) for size in entry["shape"])
    role = entry.get(
        "role", "image" if len(shape) == 4 and entry.get("preprocessing") is not None else "tensor"
    )
    if role not in ("image", "tensor"):
        raise ValueError(f"role {role!r} of input {entry['name']} is not image or tensor")
    return TensorSpec(str(entry["name"]), shape, str(entry.get("dtype", "float32")), role)


def _preprocessing(spec: TensorSpec, overrides: Mapping[str, Any]) -> Preprocessing:
    height, width = spec.shape[2:]
    default = Preprocessing.imagenet(height, width).to_json()
    if spec.shape[1] == 1:
        default |= {"mean": [0.5], "std": [0.5]}
    _refuse_unknown(overrides, set(default), f"inputs.{spec.name}.preprocessing.")
    return Preprocessing.from_json({**default, **overrides})


def _refuse_unknown(data: Mapping[str, Any], known: Sequence[str] | set[str], prefix: str) -> None:
    for key in data:
        if key not in known:
            raise ValueError(f"unknown key {prefix}{key}; known are {', '.join(sorted(known))}")
