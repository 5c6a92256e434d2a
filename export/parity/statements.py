"""What an artifact says of itself, held against those who know: the checkpoint, the options, the model, the file.

Nothing that is judged is the yardstick. What nobody else says is taken from the artifact, and listed as not checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from cloformer.errors import InputError
from cloformer.io.progress import Progress, Stage

from ..artifact.folder import KIT, Artifact
from ..artifact.kit import make_kit, read_kit
from ..artifact.origins import read_origins
from ..artifact.vectors import read_vectors
from ..formats import FORMATS
from ..formats.contents import Contents
from ..reference.cases import Inputs, in_own_order
from ..reference.loss import errors
from ..reference.references import Expected, Reference, References, in_roles
from ..reference.rounding import Format
from ..source.arrays import Array
from ..source.function import Function, Input, Output
from ..source.interface import LABELS, interface_of, with_roles
from ..source.resolve import Source
from ..source.signature import Signature, TensorSpec
from .report import Statement
from .tolerances import MARGIN, ROUNDINGS

__all__ = ["statements_of_the_file", "statements_of_the_model", "unknown_statements"]


_MODEL, _FILE = "the model", "the file"
# Stored figures are float32 of what float64 gives, which may differ in its last digits from machine to machine.
_STORED = 2.0**-22
_SMALLEST = 2.0**-149  # what float32 has above zero: nothing less can be stored
# What rounding costs is emulated from float64; where a result lies between two numbers of the format, a last digit decides.
_LOSSES = 1.5
_DIGITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}


def statements_of_the_file(artifact: Artifact) -> list[Statement]:
    """What the model's file alone can tell: the type that it computes in, and the class names inside."""
    contents = FORMATS[artifact.format].contents(artifact.model_path)
    found = [Statement("precision", _FILE, _precision(artifact, contents))]
    if contents.labels is not None:
        problem = _labels(contents.labels, artifact.labels or ())
        found.append(Statement("labels inside the model", LABELS, problem))
    return found


def statements_of_the_model(
    artifact: Artifact, source: Source, references: References, form: Format, progress: Progress
) -> list[Statement]:
    """What the model, its checkpoint and the options can tell. What none of them says is not checked."""
    progress(Stage("holding what the artifact says against the model", 0.97))
    by, reference = source.given_by, references.written(source, artifact.manifest.request)
    found = [
        Statement(
            "inputs and outputs", _MODEL, _interface(artifact, source, references.of(source).twin.signature)
        ),
        Statement("vectors", _MODEL, _vectors(artifact, source, reference, form)),
    ]
    if artifact.listed(KIT) is not None:
        found.append(Statement("kit", _MODEL, _kit(artifact, source, reference)))
    names = artifact.labels
    if names is not None or "labels" in by:
        problem = _labels(names or (), source.labels or ()) if "labels" in by else None
        found.append(Statement("labels", by.get("labels"), problem))
    if source.preprocessing:
        problem = _preprocessing(artifact, source) if "preprocessing" in by else None
        found.append(Statement("preprocessing", by.get("preprocessing"), problem))
    return found


def unknown_statements(artifact: Artifact) -> list[Statement]:
    """What cannot be checked without the model."""
    about = ["inputs and outputs", "vectors"]
    about += ["kit"] if artifact.listed(KIT) is not None else []
    about += ["labels"] if artifact.labels is not None else []
    about += ["preprocessing"] if artifact.manifest.request.preprocessing else []
    return [Statement(item, None, None) for item in about]


def _precision(artifact: Artifact, contents: Contents) -> str | None:
    """A file that computes in more digits than it says would be held to bounds that are too wide. One that computes in
    fewer is held to narrower ones, as it should be, unless the model itself computes so."""
    said = artifact.manifest.precision
    places = read_origins(artifact).places if said.exceptions else {}
    excepted = {name for name, origin in places.items() if origin.name in said.exceptions}
    kinds = Counter(kind for name, kind in contents.results.items() if name not in excepted)
    stored = Counter(contents.weights)
    for name in excepted:
        stored.subtract(contents.read_by.get(name, {}))
    for what, stated, found in (
        ("it computes in", said.activations, kinds), ("its weights are", said.constants, +stored),
    ):  # fmt: skip
        kind = max(found, key=lambda each: found[each], default=stated)
        if _DIGITS[kind] > _DIGITS[stated]:
            return f"the manifest says that {what} {stated}, and most are {kind}"
    return None


def _labels(said: Sequence[str], right: Sequence[str]) -> str | None:
    if len(said) != len(right):
        return f"there are {len(said)}, and should be {len(right)}"
    wrong = [place for place, (one, other) in enumerate(zip(said, right, strict=True)) if one != other]
    if not wrong:
        return None
    first = wrong[0]
    return f"{len(wrong)} of {len(right)} differ: class {first} is {said[first]!r}, and should be {right[first]!r}"


def _preprocessing(artifact: Artifact, source: Source) -> str | None:
    given = {item.spec.name: item.preprocessing for item in artifact.function.inputs}
    asked = artifact.manifest.request.preprocessing
    for name, right in source.preprocessing.items():
        for said in (given.get(name), asked.get(name)):
            fields = {} if said is None else said.to_json()
            for field, value in right.to_json().items():
                if fields.get(field) != value:
                    return f"{field} of {name} is {fields.get(field)}, and should be {value}"
    return None


def _interface(artifact: Artifact, source: Source, traced: Signature) -> str | None:
    """Names, shapes, types, roles, axes and what the app has to do, as the export would write them today."""
    said = artifact.function
    try:
        signature = with_roles(traced, source)
    except InputError as error:
        return error.lines[0]
    outputs = list(signature.outputs)
    if len(said.outputs) == len(outputs):
        outputs = [
            _in_type(_as_written(spec, item.spec), artifact)
            for spec, item in zip(outputs, said.outputs, strict=True)
        ]
    inside = artifact.manifest.request.normalizes_inside
    inputs = list(source.inputs)
    if len(said.inputs) == len(inputs):
        inputs = [
            _in_type(_as_taken(spec, item.spec), artifact)
            for spec, item in zip(inputs, said.inputs, strict=True)
        ]
    right = interface_of(source, inputs, outputs, preprocessing_inside=inside)
    if "preprocessing" not in source.given_by:  # of which nobody says anything
        right = _with_preprocessing_of(right, said)
    return next(_differences(said, right), None)


def _with_preprocessing_of(right: Function, said: Function) -> Function:
    rules = {item.spec.name: item.preprocessing for item in said.inputs}
    asked = [
        replace(item, preprocessing=rules.get(item.spec.name) or item.preprocessing) for item in right.inputs
    ]
    return replace(right, inputs=tuple(asked))


def _in_type(spec: TensorSpec, artifact: Artifact) -> TensorSpec:
    """Floating-point numbers in the type that the export was asked to take and give them in."""
    kind = artifact.manifest.request.io_type
    return replace(spec, dtype=kind) if spec.dtype == "float32" else spec


def _as_taken(spec: TensorSpec, said: TensorSpec) -> TensorSpec:
    """An input of the model as a format may have to take it: whole numbers of 64 bits, and truths, as int32; an image with its
    channels last, which the runtime holds to the file, as it takes no other shape."""
    if said.channels_last and spec.role == "image":
        return replace(spec, channels_last=True)
    if said.dtype != "int32" or spec.dtype not in ("int64", "bool"):
        return spec
    return replace(spec, dtype="int32", values=(0, 1) if spec.dtype == "bool" else said.values)


def _as_written(spec: TensorSpec, said: TensorSpec) -> TensorSpec:
    """An output of the model as a format may have to give it: whole numbers and truths as int32, and of a classifier
    probabilities, under a name of its own."""
    if said.role == "probabilities" and spec.role == "logits":
        return replace(spec, role="probabilities", name=said.name, dtype="float32")
    if said.dtype == "int32" and spec.dtype in ("int64", "bool"):
        return replace(spec, dtype="int32")
    return spec


def _differences(said: Function, right: Function) -> Iterator[str]:
    yield from _fields_that_differ("input", said.inputs, right.inputs)
    yield from _fields_that_differ("output", said.outputs, right.outputs)


def _fields_that_differ(
    kind: str, said: Sequence[Input | Output], right: Sequence[Input | Output]
) -> Iterator[str]:
    if len(said) != len(right):
        yield f"there are {len(said)} {kind}s, and the model has {len(right)}"
        return
    for have, want in zip(said, right, strict=True):
        fields = have.to_json()
        for name, value in want.to_json().items():
            if name not in ("preprocessing", "labels", "values") and fields.get(name) != value:
                yield f"{name} of the {kind} {have.spec.name} is {fields.get(name)}, and should be {value}"


def _vectors(artifact: Artifact, source: Source, reference: Reference, form: Format) -> str | None:
    """The model's outputs for the inputs that the vectors have, and what rounding may cost them, computed again."""
    inputs, own = Inputs.of(artifact.function), Inputs.of_source(source)
    try:
        stored = read_vectors(artifact, form)
    except InputError as error:
        return error.lines[0]
    kinds = {case.kind for case, _ in stored}
    if own.are_all_images and "photograph" not in kinds:
        return "they have no photograph"
    for case, expected in stored:
        prepared = in_own_order(case, inputs, own).for_reference(own)
        for have, want in zip(
            expected, reference.expected(prepared, form, artifact.signature.outputs), strict=True
        ):
            problem = _differs(have, want)
            if problem is not None:
                return f"{have.spec.name} on {case.name}: {problem}"
    return None


def _differs(have: Expected, want: Expected) -> str | None:
    if want.want.dtype.kind != "f":
        undecided = want.loss.undecided(have.want, want.want)
        wrong = int(((have.want != want.want) & ~undecided).sum())
        return f"{wrong:,} of {want.want.size:,} are not the model's" if wrong else None
    problem = _off(have.want, want.to_store())
    if problem is not None or not have.loss.is_stated:
        return problem
    largest = float(np.abs(want.want[np.isfinite(want.want)]).max(initial=0))
    least = max(ROUNDINGS / MARGIN * want.form.roundoff * largest, _SMALLEST)
    for said, exact in ((have.loss.whole, want.loss.whole), (have.loss.ended, want.loss.ended)):
        right = float(_in_float32(exact))
        if not right / _LOSSES - least <= said <= right * _LOSSES + least and said != right:
            return f"they say that rounding may cost {said:.2g}, and it may cost {right:.2g}"
    return None


def _off(have: Array, want: Array) -> str | None:
    """Float32 of what the model gives, or how far from it."""
    want = _in_float32(want)
    worst = float(errors(have, want).max(initial=0))
    largest = float(np.abs(want[np.isfinite(want)]).max(initial=0))
    is_it = worst <= max(_STORED * largest, _SMALLEST)
    return None if is_it else f"off by {worst:.2g} from what the model gives"


def _in_float32(numbers: Array | float) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(numbers).astype(np.float32).astype(np.float64)


def _kit(artifact: Artifact, source: Source, reference: Reference) -> str | None:
    try:
        stored = read_kit(artifact)
    except InputError as error:
        return error.lines[0]
    made = make_kit(source, reference)
    if made is None:
        return "the model takes more than one colour image, and has none"
    roles = [spec.role for spec in artifact.signature.outputs]
    for vector, outputs in zip(stored, made.outputs, strict=True):
        for (name, have), want in zip(vector.outputs.items(), in_roles(outputs, roles), strict=True):
            problem = _off(have, want)
            if problem is not None:
                return f"{name} on {vector.image.name}: {problem}"
    return None
