"""The first questions of an export: is the float64 reference the model, and does the written file give what that gives?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloformer.errors import GateError, UnsupportedError
from cloformer.io.progress import Progress, Stage

from ..artifact.folder import Artifact
from ..artifact.forms import form_of
from ..artifact.origins import read_origins
from ..artifact.vectors import Vectors
from ..formats import FORMATS
from ..formats.runners import RUNNERS, default_runner, open_model
from ..parity.answered import answered
from ..parity.judge import Types
from ..parity.operators import compare_operators
from ..parity.outputs import compare_outputs
from ..parity.report import OperatorResult, OutputResult, first_lossy, first_out_of_line
from ..parity.tolerances import MAX_LOSS
from ..parity.yardstick import not_the_model, why_not_rewritten, why_not_the_model
from ..reference.cases import Inputs
from ..reference.threads import one_thread

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..reference.references import Reference
    from ..source.resolve import Source

__all__ = [
    "Difference",
    "TooLossyError",
    "check_against_reference",
    "hold_the_reference",
    "hold_the_rewritten",
    "where_wrong",
]


class TooLossyError(GateError):
    """The file is the model, and its number format costs it more than it may."""


@dataclass(frozen=True)
class Difference:
    """Largest absolute difference from the untouched PyTorch model over all outputs and vectors.

    ``largest`` is the largest magnitude of the model's outputs, which are computed in float64, ``inputs`` what was tried
    and ``runner`` what ran the written file.
    """

    max_abs: float
    largest: float
    inputs: tuple[str, ...]
    runner: str

    def to_json(self) -> dict[str, object]:
        return {
            "max_abs_error": self.max_abs,
            "largest_output": self.largest,
            "reference": "float64",
            "inputs": list(self.inputs),
            "runner": self.runner,
        }


@one_thread()
def hold_the_reference(source: Source, vectors: Vectors) -> None:
    """:class:`GateError` if the float64 model that files are held to, and that their vectors are of, is another than ``source``'s as
    PyTorch runs it, shown on the first vector."""
    signature = vectors.reference.twin.signature
    (((case, given),), _) = answered(source.model, signature, vectors.cases[:1], vectors.own)
    doubt = why_not_the_model(vectors.reference, case.for_reference(vectors.own), given)
    _refuse(doubt, "write what it names with other operators")


@one_thread()
def hold_the_rewritten(model: Vectors, rewritten: Reference) -> None:
    """:class:`GateError` if the passes made another model of it before its weights were compressed."""
    doubt = why_not_rewritten(model.reference, rewritten, model.cases[0].for_reference(model.own))
    _refuse(
        doubt,
        "--precision fp32 names the first operator that is wrong; --no-reparameterize leaves out what only makes it faster",
    )


def _refuse(doubt: str | None, advice: str) -> None:
    if doubt is not None:
        raise GateError(not_the_model(doubt), f"nothing can be held to it, so nothing was written: {advice}")


def check_against_reference(
    artifact: Artifact, vectors: Vectors, progress: Progress = lambda _: None
) -> Difference:
    """Run the artifact on its vectors. Raises :class:`GateError` if a difference is not a rounding error,
    :class:`TooLossyError` if the number format costs more than it may."""
    name = default_runner(artifact.format)
    row = RUNNERS[name]
    progress(Stage(f"{FORMATS[artifact.format].title}: comparing with PyTorch ({row.title})", 0.8))
    inputs = Inputs.of(artifact.function)
    form = form_of(
        artifact.format, artifact.manifest.precision.activations, narrow_sums=row.is_device_runtime
    )
    results: list[OutputResult] = []
    largest = 0.0
    with open_model(artifact.model, name) as runner:
        for case in vectors.cases:
            expected = vectors.expected(case, form, artifact.signature)
            largest = max(
                largest, *(float(np.abs(item.want.astype(float)).max(initial=0)) for item in expected)
            )
            results += compare_outputs(case, runner.run(case.for_candidate(inputs)), expected, MAX_LOSS)
    for result in results:
        if result.failure is not None:
            raise GateError(
                f"the written {artifact.format} model is not the PyTorch model: {result.name} is "
                f"{result.failure} ({result.case})"
            )
        if result.too_lossy is not None:
            raise TooLossyError(f"{result.name} on {result.case}: {result.too_lossy}")
    return Difference(
        max(result.figures.max_abs for result in results),
        largest,
        tuple(case.kind for case in vectors.cases),
        row.title,
    )


def where_wrong(
    error: GateError, artifact: Artifact, program: ExportedProgram, vectors: Vectors
) -> str | None:
    """The first operator that is wrong in itself, or that the number format ends before, on the first vector that shows
    one; of a format that costs too much, else the first whose result has lost as much. None if there is none, or if the runtime
    does not give the values inside."""
    inputs, types = Inputs.of(artifact.function), Types.of(artifact.manifest.precision)
    lossy: list[OperatorResult] = []
    with open_model(artifact.model) as runner:
        for case in vectors.cases:
            fed = [(case.name, case.for_candidate(inputs))]
            try:
                found, _ = compare_operators(runner, program, read_origins(artifact), types, fed)
            except UnsupportedError:
                return None
            first = first_out_of_line(found, overflows=True)
            if first is not None:
                return f"the first operator that {first.what}: {first}"
            lossy += filter(None, [first_lossy(found, MAX_LOSS)])
    if not lossy or not isinstance(error, TooLossyError):
        return None
    first = first_lossy(lossy, MAX_LOSS)
    return None if first is None else first.lost
