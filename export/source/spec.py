"""What a TOML file or ``--input`` options say of a user's module: inputs, outputs, preprocessing, labels.

The file's keys, with their meanings and an example, are the table in :mod:`.spec_keys`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, cast

from cloformer.errors import InputError, UsageError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import decoding, read_text

from .labels import read_labels
from .preprocessing import Preprocessing
from .roles import Coordinates, OutputRole
from .signature import TensorSpec
from .spec_keys import INPUT, OUTPUT, PREPROCESSING, TOP

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ModelSpec", "parse_input", "read_spec"]

_INPUT = re.compile(r"(?P<name>\w+)=(?P<shape>[0-9]+(x[0-9]+)*)(:(?P<dtype>\w+))?")
_MAX_BYTES = 2**16
_ADVICE = "`cloformer spec` lists the keys of the file, and `cloformer spec --init` writes one to begin with"


class _Top(TypedDict, total=False):
    outputs: tuple[str, ...]
    labels: str
    labels_of: str


class _Named(TypedDict):
    name: str
    shape: tuple[int, ...]


class _Input(_Named, total=False):
    dtype: str
    role: str
    values: tuple[int, int]


class _Role(TypedDict):
    name: str
    role: str


class _Output(_Role, total=False):
    form: str
    unit: str


@dataclass(frozen=True)
class ModelSpec:
    """Declared inputs (none: one image) with the preprocessing of images, output names, labels and the output that they are
    of (None: the first), metadata, and what the outputs mean."""

    declared: tuple[TensorSpec, ...] = ()
    preprocessing: Mapping[str, Preprocessing] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    labels_of: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[OutputRole, ...] = ()

    def inputs(
        self,
        image_size: tuple[int, int],
        batch: int,
        *,
        given_size: bool,
        trained: Preprocessing | None = None,
    ) -> tuple[tuple[TensorSpec, ...], dict[str, Preprocessing]]:
        """The inputs, and the preprocessing of each one that is an image: of the one that nobody declared, as the model was
        ``trained``, or else ImageNet's."""
        if not self.declared:
            try:
                rule = trained.at_size(*image_size) if trained else Preprocessing.imagenet(*image_size)
                spec = TensorSpec("image", (batch, len(rule.mean), *image_size), "float32", "image")
                return (spec,), {"image": rule}
            except ValueError as error:
                raise UsageError(str(error), "give a smaller --image-size or --batch") from None
        if given_size or batch != 1:
            raise UsageError(
                "--image-size and --batch do not go with declared inputs", "give the sizes in their shapes"
            )
        rules = {
            spec.name: self.preprocessing.get(spec.name) or _default(spec)
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
    inputs = [_input(each) for each in fields.each("inputs")]
    metadata = _metadata(fields)
    roles = _roles(fields)
    given = cast("_Top", TOP.read(fields))
    outputs = given.get("outputs", ()) or tuple(item.name for item in roles)
    labels, labels_of = given.get("labels"), given.get("labels_of")
    if outputs and labels_of is not None and labels_of not in outputs:
        raise fields.error("labels_of", f"is {labels_of[:80]!r}, not one of outputs: {', '.join(outputs)}")
    return ModelSpec(
        tuple(declared for declared, _ in inputs),
        {declared.name: rule for declared, rule in inputs if rule is not None},
        outputs,
        read_labels(_beside(path, labels)) if labels else None,
        labels_of,
        metadata,
        roles,
    )


def _roles(fields: Fields) -> tuple[OutputRole, ...]:
    """What is said of outputs that are tables, and not names alone."""
    if "outputs" not in fields or not fields.holds_objects("outputs"):
        return ()
    found = [_role(each) for each in fields.each("outputs")]
    twice = next((item.name for item in found if [other.name for other in found].count(item.name) > 1), None)
    if twice is not None:
        raise fields.error("outputs", f"has {twice!r} twice")
    return tuple(found)


def _role(fields: Fields) -> OutputRole:
    given = cast("_Output", OUTPUT.read(fields))
    form, unit = given.get("form"), given.get("unit")
    if (form is None) != (unit is None):
        raise fields.error("unit" if unit is None else "form", "is missing: boxes and keypoints have both")
    place = None if form is None or unit is None else Coordinates(form, unit)
    return OutputRole(given["name"], given["role"], place)


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


def _input(fields: Fields) -> tuple[TensorSpec, Preprocessing | None]:
    """An input, and the preprocessing of an image."""
    rule = fields.child("preprocessing") if "preprocessing" in fields else None
    given = cast("_Input", INPUT.read(fields))
    name, shape = given["name"], given["shape"]
    role = given.get("role") or ("image" if len(shape) == 4 and rule is not None else "tensor")
    spec = TensorSpec(name, shape, given.get("dtype", "float32"), role, given.get("values"))
    if role == "image":
        return spec, _default(spec) if rule is None else _preprocessing(spec, rule)
    if rule is not None:
        raise fields.error("preprocessing", f"is of {name}, which is not an image")
    return spec, None


def _default(spec: TensorSpec) -> Preprocessing:
    """ImageNet's, and of a grey image one that is about as dark."""
    rule = Preprocessing.imagenet(*spec.shape[2:])
    return replace(rule, mean=(0.5,), std=(0.5,)) if spec.shape[1] == 1 else rule


def _preprocessing(spec: TensorSpec, fields: Fields) -> Preprocessing:
    """What ``fields`` say, and the default for the rest."""
    given = PREPROCESSING.read(fields)
    if given.get("crop") == "letterbox":
        given.setdefault("resize_size", max(spec.shape[2:]))
    try:
        rule = replace(_default(spec), **given)  # type: ignore[arg-type]  # of the table's types
    except FieldError as error:
        raise fields.error(error.path, error.problem) from None
    if (rule.height, rule.width) != spec.shape[2:]:
        raise fields.error("height", f"and width are not those of the shape, {list(spec.shape)}")
    if len(rule.mean) > spec.shape[1]:
        raise fields.error("mean", f"has {len(rule.mean)} numbers, and {spec.name} one channel")
    return rule
