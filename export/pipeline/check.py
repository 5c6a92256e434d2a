"""The first question after an export: does the written file run, and give what the PyTorch model gives?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cloformer.errors import GateError

from ..artifact.folder import Artifact
from ..artifact.vectors import Vectors
from ..formats import FORMATS
from ..formats.runners import RUNNERS, default_runner, open_model
from ..parity.outputs import compare_outputs
from ..reference.cases import Inputs

__all__ = ["Difference", "check_against_reference"]


@dataclass(frozen=True)
class Difference:
    """Largest absolute difference from the untouched PyTorch model over all outputs and vectors.

    ``largest`` is the largest magnitude of the model's outputs, ``reference`` the type it was computed in,
    ``inputs`` what was tried and ``runner`` what ran the written file.
    """

    max_abs: float
    largest: float
    reference: str
    inputs: tuple[str, ...]
    runner: str

    def to_json(self) -> dict[str, object]:
        return {
            "max_abs_error": self.max_abs,
            "largest_output": self.largest,
            "reference": self.reference,
            "inputs": list(self.inputs),
            "runner": self.runner,
        }


def check_against_reference(
    artifact: Artifact, vectors: Vectors, progress: Callable[[str], None] = lambda _: None
) -> Difference:
    """Run the artifact on its vectors. Raises :class:`GateError` if a difference is not a rounding error."""
    name = default_runner(artifact.format)
    row = RUNNERS[name]
    progress(f"{FORMATS[artifact.format].title}: comparing with PyTorch ({row.title})")
    inputs = Inputs.of(artifact.function)
    results = []
    with open_model(artifact.model, name) as runner:
        for case, want in zip(vectors.cases, vectors.outputs, strict=True):
            got = runner.run(case.for_candidate(inputs))
            results += compare_outputs(
                artifact, case, got, want, None, is_device_runtime=row.is_device_runtime
            )
    for result in results:
        if not result.passed:
            raise GateError(
                f"the written {artifact.format} model is not the PyTorch model: {result.name} is "
                f"{result.failure} ({result.case})"
            )
    return Difference(
        max(result.figures.max_abs for result in results),
        max(float(np.abs(output).max(initial=0)) for outputs in vectors.outputs for output in outputs),
        vectors.reference,
        tuple(case.kind for case in vectors.cases),
        row.title,
    )
