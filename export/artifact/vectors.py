"""Conformance vectors: inputs and the PyTorch model's outputs for them, carried by every artifact.

With them anybody who has the artifact alone can check it, on any system and on the phone itself. They are the
float64 model's outputs, stored as float32, beside the pixels or numbers that went in (``conformance.safetensors``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cloformer.errors import InputError
from cloformer.io.tensors import read_tensors, tensors_as_bytes

from ..formats.runners import Array
from ..reference.cases import PHOTOGRAPH, Case, Inputs, image_cases, noise_case
from ..source.postprocessing import softmax
from ..source.signature import Signature, TensorSpec
from .folder import CONFORMANCE, Artifact

if TYPE_CHECKING:
    from ..source.resolve import Source

__all__ = ["Vectors", "make_vectors", "read_vectors", "write_vectors"]

_SEPARATOR = "/"
_MAX_BYTES = 2**31
_AGAIN = "export the artifact again"


@dataclass(frozen=True)
class Vectors:
    """Cases and the untouched model's flat outputs for each; ``reference`` is the type they were computed in:
    float64, or float32 if the module insists on it."""

    cases: tuple[Case, ...]
    outputs: tuple[Sequence[Array], ...]
    reference: str


def make_vectors(source: Source, signature: Signature) -> Vectors:
    """Run the untouched model on a photograph, if it takes images alone, and on seeded noise."""
    from ..reference.outputs import run_reference

    inputs = Inputs.of_source(source)
    cases = (*image_cases(inputs, [PHOTOGRAPH]), noise_case(inputs))
    outputs, kind = run_reference(source.model, signature, [case.for_reference(inputs) for case in cases])
    return Vectors(cases, tuple(outputs), kind)


def write_vectors(path: Path, vectors: Vectors, signature: Signature) -> None:
    """The same vectors always as the same bytes."""
    tensors = {}
    for case, outputs in zip(vectors.cases, vectors.outputs, strict=True):
        for name, value in case.values.items():
            is_pixels = bool((value == value.astype(np.uint8)).all()) and value.ndim == 4
            tensors[_SEPARATOR.join((case.kind, case.name, "input", name))] = (
                value.astype(np.uint8) if is_pixels else value
            )
        for spec, output in zip(signature.outputs, outputs, strict=True):
            expected = softmax(output) if spec.role == "probabilities" else output
            key = _SEPARATOR.join((case.kind, case.name, "output", spec.name))
            tensors[key] = expected.astype(stored_type(spec))
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    path.write_bytes(tensors_as_bytes(contiguous, {"reference": vectors.reference}))


def stored_type(spec: TensorSpec) -> str:
    """What an output's expected values are stored in: float32, or the output's own type if that is no float."""
    return "float32" if spec.dtype.startswith("float") else spec.dtype


def read_vectors(artifact: Artifact) -> list[tuple[Case, dict[str, Array]]]:
    """The artifact's cases and expected outputs by name, photographs first.

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
    signature = artifact.signature
    found = []
    for kind, name in places:
        inputs, outputs = (
            {
                spec.name: _checked(
                    path, tensors.pop(_SEPARATOR.join((kind, name, half, spec.name)), None), spec
                )
                for spec in specs
            }
            for half, specs in (("input", signature.inputs), ("output", signature.outputs))
        )
        found.append((Case(name, kind, inputs), outputs))
    if tensors:
        raise InputError(f"{path} has an unknown entry {sorted(tensors)[0][:80]!r}", _AGAIN)
    return found


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
