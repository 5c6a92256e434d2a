"""Conformance vectors: inputs and the PyTorch model's outputs for them, carried by every artifact.

With them anybody who has the artifact alone can check it, on any system and on the phone itself. They are the
float64 model's outputs, stored as float32, beside the pixels or numbers that went in and what rounding may cost there
(``conformance.safetensors``). That is emulated from float64, so it is the same wherever an artifact was exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cloformer.errors import InputError
from cloformer.io.tensors import read_tensors, tensors_as_bytes

from ..reference.cases import PHOTOGRAPH, Case, Inputs, image_cases, is_usual, noise_case
from ..reference.loss import RoundingLoss
from ..reference.references import Expected
from ..reference.rounding import Format
from ..source.arrays import Array
from ..source.signature import Signature, TensorSpec
from .folder import CONFORMANCE, Artifact
from .forms import forms_of

if TYPE_CHECKING:
    from ..reference.references import Reference
    from ..source.resolve import Source

__all__ = ["Vectors", "make_vectors", "read_vectors", "write_vectors"]

_SEPARATOR = "/"
_MAX_BYTES = 2**31
_AGAIN = "export the artifact again"
# Vectors of earlier versions do not say what rounding costs. Of the largest value: what it costs CloFormer, and no less.
_UNKNOWN = {"fp32, sums fp32": 2.5e-6, "fp16, sums fp32": 2.5e-3, "fp16, sums fp16": 1.25e-2}


@dataclass(frozen=True)
class Vectors:
    """Cases, and the untouched model that says what each gives."""

    reference: Reference
    own: Inputs
    cases: tuple[Case, ...]

    def expected(self, case: Case, form: Format, signature: Signature) -> list[Expected]:
        """A case's outputs as ``signature`` says that they are given."""
        return self.reference.expected(case.for_reference(self.own), form, signature.outputs)


def make_vectors(source: Source, reference: Reference) -> Vectors:
    """A photograph, if the model takes images alone, and seeded noise."""
    inputs = Inputs.of_source(source)
    return Vectors(reference, inputs, (*image_cases(inputs, [PHOTOGRAPH]).cases, noise_case(inputs)))


def write_vectors(path: Path, vectors: Vectors, signature: Signature, forms: Sequence[Format]) -> None:
    """Inputs and outputs as ``signature``, the written model's, has them, with what rounding costs in each of ``forms``; the same
    vectors always as the same bytes."""
    tensors = {}
    kinds = {spec.name: stored_type(spec) for spec in signature.inputs}
    for case in vectors.cases:
        for name, value in case.values.items():
            is_pixels = bool((value == value.astype(np.uint8)).all()) and value.ndim == 4
            tensors[_SEPARATOR.join((case.kind, case.name, "input", name))] = value.astype(
                np.uint8 if is_pixels else kinds[name]
            )
        for form in forms:
            for item in vectors.expected(case, form, signature):
                place = (case.kind, case.name, "output", item.spec.name)
                with np.errstate(over="ignore"):
                    tensors[_SEPARATOR.join(place)] = item.to_store().astype(stored_type(item.spec))
                for what, figures in _loss_of(item).to_arrays().items():
                    place = (case.kind, case.name, f"{what} in {form.label}", item.spec.name)
                    tensors[_SEPARATOR.join(place)] = figures
    # ascontiguousarray would give a single number an axis.
    contiguous = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    path.write_bytes(tensors_as_bytes(contiguous, {"reference": "float64"}))


def _loss_of(item: Expected) -> RoundingLoss:
    """With the places that are undecided, for what they are searched in is not kept."""
    if item.searched is None or item.loss.jumps is None:
        return item.loss
    ties = item.searched.undecided(item.want)  # whichever place it is
    anywhere = np.float32(item.searched.operand.size)
    return replace(item.loss, jumps=np.where(ties, anywhere, item.loss.jumps).astype(np.float32))


def stored_type(spec: TensorSpec) -> str:
    """What an output's expected values are stored in: float32, or the output's own type if that is no float."""
    return "float32" if spec.dtype.startswith("float") else spec.dtype


def read_vectors(artifact: Artifact, form: Format) -> list[tuple[Case, list[Expected]]]:
    """The artifact's cases and expected outputs, photographs first, with what rounding to ``form`` may cost.

    Raises :class:`InputError` if it has none, damaged ones, or ones of other shapes and types than its function's.
    """
    path = artifact.listed(CONFORMANCE)
    if path is None:
        raise InputError(
            f"{artifact.folder} has no conformance vectors", "export it again with this cloformer"
        )
    tensors, _ = read_tensors(path, _MAX_BYTES, _AGAIN)
    places = sorted(
        {tuple(key.split(_SEPARATOR)[:2]) for key in tensors}, key=lambda p: (p[0] != "photograph", p)
    )
    if not places or any(len(place) != 2 for place in places):
        raise InputError(f"{path} has no cases, or entries that belong to none", _AGAIN)
    forms = forms_of(artifact.format, artifact.manifest.precision.activations)
    earlier = replace(form, adds_in_order=False).label  # of versions that knew no runtime that adds so
    labels = dict.fromkeys(
        each.label for item in forms for each in (item, replace(item, adds_in_order=False))
    )
    signature, own = artifact.signature, Inputs.of(artifact.function)
    found = []
    for kind, name in places:

        def take(half: str, spec: TensorSpec, kind: str = kind, name: str = name) -> Array | None:
            return tensors.pop(_SEPARATOR.join((kind, name, half, spec.name)), None)

        inputs = {spec.name: _checked(path, take("input", spec), spec) for spec in signature.inputs}
        expected = []
        for spec in signature.outputs:
            want = _checked(path, take("output", spec), spec)
            losses = {
                label: _loss(path, take(f"loss in {label}", spec), take(f"jumps in {label}", spec), spec)
                for label in labels
            }
            known = losses.get(form.label) or losses.get(earlier)
            loss = known or RoundingLoss.unknown(want, _UNKNOWN[earlier])
            expected.append(Expected(spec, want, form, loss))
        found.append((Case(name, kind, inputs, is_usual=is_usual(kind, own)), expected))
    if tensors:
        raise InputError(f"{path} has an unknown entry {sorted(tensors)[0][:80]!r}", _AGAIN)
    return found


def _loss(path: Path, value: Array | None, jumps: Array | None, spec: TensorSpec) -> RoundingLoss | None:
    if value is None:
        return None
    try:
        return RoundingLoss.from_arrays(value, jumps, spec.shape, is_number=spec.dtype.startswith("float"))
    except ValueError as error:
        raise InputError(f"{path}: what rounding costs {spec.name} is not given by {error}", _AGAIN) from None


def _checked(path: Path, value: Array | None, spec: TensorSpec) -> Array:
    """A stored value in its type; pixels are stored as bytes."""
    if (
        value is None
        or tuple(value.shape) != spec.shape
        or str(value.dtype) not in ("uint8", stored_type(spec))
    ):
        what = "is not there" if value is None else f"is {value.dtype} {list(value.shape)}"
        raise InputError(
            f"{path}: {spec.name} {what}, and the artifact's is {spec.dtype} {list(spec.shape)}", _AGAIN
        )
    return value.astype(stored_type(spec))
