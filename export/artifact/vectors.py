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

from ..formats.runners import Array
from ..reference.cases import PHOTOGRAPH, Case, Inputs, image_cases, noise_case
from ..source.postprocessing import softmax
from ..source.signature import Signature
from .folder import Artifact

if TYPE_CHECKING:
    from ..source.resolve import Source

__all__ = ["CONFORMANCE", "Vectors", "make_vectors", "read_vectors", "write_vectors"]

CONFORMANCE = "conformance.safetensors"
_SEPARATOR = "/"


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

    inputs = Inputs(source.inputs, source.preprocessing, dict.fromkeys(source.preprocessing, False))
    cases = (*image_cases(inputs, [PHOTOGRAPH]), noise_case(inputs))
    outputs, kind = run_reference(source.model, signature, [case.for_reference(inputs) for case in cases])
    return Vectors(cases, tuple(outputs), kind)


def write_vectors(path: Path, vectors: Vectors, signature: Signature) -> None:
    """The same vectors always as the same bytes."""
    from safetensors.numpy import save

    from cloformer.io.safetensors import with_sorted_header

    tensors = {}
    for case, outputs in zip(vectors.cases, vectors.outputs, strict=True):
        for name, value in case.values.items():
            is_pixels = bool((value == value.astype(np.uint8)).all()) and value.ndim == 4
            tensors[_SEPARATOR.join((case.kind, case.name, "input", name))] = (
                value.astype(np.uint8) if is_pixels else value
            )
        for spec, output in zip(signature.outputs, outputs, strict=True):
            expected = softmax(output) if spec.role == "probabilities" else output
            kind = np.float32 if spec.dtype.startswith("float") else spec.dtype
            tensors[_SEPARATOR.join((case.kind, case.name, "output", spec.name))] = expected.astype(kind)
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    path.write_bytes(with_sorted_header(save(contiguous, {"reference": vectors.reference})))


def read_vectors(artifact: Artifact) -> list[tuple[Case, dict[str, Array]]]:
    """The artifact's cases and expected outputs by name; :class:`InputError` if it has none, or damaged ones."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = artifact.folder / CONFORMANCE
    try:
        tensors = load(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{artifact.folder} has no conformance vectors", "export it again with this cloformer"
        ) from None
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read: {error}", "export the artifact again") from None
    inputs: dict[tuple[str, str], dict[str, Array]] = {}
    outputs: dict[tuple[str, str], dict[str, Array]] = {}
    for key in sorted(tensors):
        parts = key.split(_SEPARATOR)
        if len(parts) != 4 or parts[2] not in ("input", "output"):
            raise InputError(f"{path} has an unknown entry {key[:80]!r}", "export the artifact again")
        place = inputs if parts[2] == "input" else outputs
        value = tensors[key]
        place.setdefault((parts[0], parts[1]), {})[parts[3]] = (
            value.astype(np.float32) if value.dtype == np.uint8 else value
        )
    names = {spec.name for spec in artifact.signature.inputs}
    if (
        not inputs
        or inputs.keys() != outputs.keys()
        or any(values.keys() != names for values in inputs.values())
    ):
        raise InputError(f"{path} does not have the artifact's inputs and outputs", "export it again")
    # Photographs first.
    order = sorted(inputs, key=lambda place: (place[0] != "photograph", place))
    return [(Case(name, kind, inputs[kind, name]), outputs[kind, name]) for kind, name in order]
