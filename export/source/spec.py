"""What a TOML file or ``--input`` options say of a user's module: inputs, outputs, preprocessing, labels.

labels = "labels.txt"          # beside the TOML file
outputs = ["logits"]

[[inputs]]
name = "image"
shape = [1, 3, 224, 224]
dtype = "float32"
role = "image"                 # or "tensor"; of integers, values = [0, 999] are the lowest and the highest
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
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloformer.errors import InputError, UsageError
from cloformer.io.fields import Fields
from cloformer.io.read import decoding, read_text

from .labels import read_labels
from .preprocessing import Preprocessing
from .signature import TensorSpec, values_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ModelSpec", "parse_input", "read_spec"]

_INPUT = re.compile(r"(?P<name>\w+)=(?P<shape>[0-9]+(x[0-9]+)*)(:(?P<dtype>\w+))?")
_MAX_BYTES = 2**16
_ADVICE = "see `cloformer export --help`"


@dataclass(frozen=True)
class ModelSpec:
    """Declared inputs (none: one image), output names, labels and metadata."""

    declared: tuple[TensorSpec, ...] = ()
    preprocessing: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def inputs(
        self, image_size: tuple[int, int], batch: int, *, given_size: bool
    ) -> tuple[tuple[TensorSpec, ...], dict[str, Preprocessing]]:
        """The inputs, and the preprocessing of each one that is an image."""
        if not self.declared:
            try:
                spec = TensorSpec("image", (batch, 3, *image_size), "float32", "image")
                return (spec,), {"image": Preprocessing.imagenet(*image_size)}
            except ValueError as error:
                raise UsageError(str(error), "give a smaller --image-size or --batch") from None
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
    text = read_text(path, _MAX_BYTES, _ADVICE)
    with decoding(f"--spec {path}", _ADVICE):
        data = tomllib.loads(text)
    try:
        return _spec(Fields(data), path)
    except ValueError as error:
        raise InputError(f"--spec {path}: {error}", _ADVICE) from None


def _spec(fields: Fields, path: Path) -> ModelSpec:
    inputs = [_input(each) for each in fields.objects("inputs")] if "inputs" in fields else []
    labels = fields.default("labels", fields.text, "")
    spec = ModelSpec(
        tuple(declared for declared, _ in inputs),
        {declared.name: rule for declared, rule in inputs},
        fields.default("outputs", fields.texts, ()),
        read_labels(_beside(path, labels)) if labels else None,
        _metadata(fields),
    )
    fields.done()
    return spec


def _beside(path: Path, name: str) -> Path:
    """A file beside the specification, or beside what it is a link to."""
    here = path.parent / name
    return here if here.exists() or not path.is_symlink() else path.resolve().parent / name


def _metadata(fields: Fields) -> dict[str, str]:
    """Texts; a number or a truth is taken by its words."""
    if "metadata" not in fields:
        return {}
    given = fields.child("metadata")
    values = given.rest()
    return {
        name: str(value) if isinstance(value, (bool, int, float)) else Fields(values, given.path).text(name)
        for name, value in values.items()
    }


def _input(fields: Fields) -> tuple[TensorSpec, Mapping[str, object]]:
    """An input, and what is said of its preprocessing, which is tried here."""
    name = fields.text("name", longest=200, empty=False)
    shape = fields.wholes("shape", 1, 2**31, most=16)
    has_rule = "preprocessing" in fields
    rule = fields.child("preprocessing").rest() if has_rule else {}
    likely = "image" if len(shape) == 4 and has_rule else "tensor"
    role = fields.choice("role", ("image", "tensor")) if "role" in fields else likely
    kind = fields.default("dtype", fields.text, "float32")
    values = fields.default("values", lambda key: values_of(fields, key), None)
    fields.done()
    spec = TensorSpec(name, shape, kind, role, values)
    if role == "image":
        _preprocessing(spec, rule)
    elif rule:
        raise fields.error("preprocessing", f"is of {name}, which is not an image")
    return spec, rule


def _preprocessing(spec: TensorSpec, overrides: Mapping[str, object]) -> Preprocessing:
    height, width = spec.shape[2:]
    default = Preprocessing.imagenet(height, width).to_json()
    if spec.shape[1] == 1:
        default |= {"mean": [0.5], "std": [0.5]}
    return Preprocessing.from_json({**default, **overrides})
