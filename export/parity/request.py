"""What is compared: the model that an artifact is held against, and the inputs that both are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..artifact.folder import Artifact
from ..artifact.rebuild import rebuild
from ..formats.runners import RunnerOptions
from ..reference.cases import PHOTOGRAPH, Case, Inputs, hostile_cases, image_cases, in_own_order, noise_case
from ..reference.references import References
from ..source.resolve import Source
from ..source.spec import ModelSpec
from .cost import Limits
from .tolerances import MAX_LOSS

__all__ = ["ParityRequest", "cases_of", "of_each_kind", "photographs_of", "source_of"]

# The operators are compared on this many inputs, each of another kind: what one of them leaves at rest
# (a rectifier that is never reached) another one moves.
_OPERATOR_CASES = 2


@dataclass(frozen=True)
class ParityRequest:
    """What to compare and how. ``model`` and ``weights`` say which model the artifact was exported from, ``spec`` and
    ``labels`` how it is fed and what its classes are called; with ``require_all``, what nobody but the artifact says of
    these fails. ``left_out`` says what is no image in the folders that ``images`` were in. ``max_loss`` is the share of the largest value that the number format may cost on photographs, ``limits`` are of all that is lost, and
    ``options`` go to the runner."""

    model: str | None = None
    weights: Path | None = None
    spec: ModelSpec | None = None
    labels: Path | None = None
    require_all: bool = False
    images: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()
    runner: str | None = None
    operators: bool = True
    seed: int = 0
    max_loss: float = MAX_LOSS
    limits: Limits = field(default_factory=Limits)
    options: RunnerOptions = field(default_factory=RunnerOptions)


def source_of(artifact: Artifact, request: ParityRequest, references: References) -> Source | None:
    """The model that the artifact is held against; None if it is not given. Raises as :func:`rebuild` does."""
    return rebuild(
        artifact,
        model=request.model,
        weights=request.weights,
        spec=request.spec,
        labels=request.labels,
        models=references.models,
    )


def photographs_of(
    inputs: Inputs, request: ParityRequest, own: Inputs | None = None
) -> tuple[list[Case], list[str]]:
    """The request's photographs as cases, or the one that comes with the package; and a line for each that was given and
    cannot be compared. Where none can be read, the first one's error is raised."""
    if request.images and not inputs.are_all_images:
        others = ", ".join(spec.name for spec in inputs.specs if spec.name not in inputs.preprocessing)
        return [], [f"the photographs of --images: the input {others} is no image, so nothing fits them"]
    found = image_cases(inputs, request.images or [PHOTOGRAPH], own)
    return found.cases, [item.reason for item in found.unreadable]


def cases_of(artifact: Artifact, request: ParityRequest, source: Source) -> tuple[list[Case], list[str]]:
    """Photographs first, then noise, then what models are bad at; over the numbers that the model takes, whatever the
    artifact says of them. And a line for each photograph that cannot be compared."""
    inputs, own = Inputs.of(artifact.function), Inputs.of_source(source)
    taken = {spec.name: spec.values for spec in own.specs}
    inputs = replace(inputs, specs=tuple(replace(spec, values=taken.get(spec.name)) for spec in inputs.specs))
    drawn = [noise_case(inputs, request.seed), *hostile_cases(inputs, request.seed)]
    photographs, missing = photographs_of(inputs, request, own)
    return [*photographs, *(in_own_order(case, inputs, own) for case in drawn)], missing


def of_each_kind(cases: Sequence[Case]) -> list[Case]:
    firsts = {case.kind: case for case in reversed(cases)}
    order = [firsts[kind] for kind in ("photograph", "noise", "hostile") if kind in firsts]
    return order[:_OPERATOR_CASES]
