"""What an app's outputs may be off by: what rounding costs the artifact's own photograph."""

from __future__ import annotations

from cloformer.errors import InputError

from ..artifact.folder import Artifact
from ..artifact.forms import form_of
from ..artifact.vectors import read_vectors
from ..parity.tolerances import OutputTolerance, output_tolerance

__all__ = ["kit_tolerance"]


def kit_tolerance(artifact: Artifact) -> OutputTolerance:
    """The bound for every vector of the kit, the widest of any output. What a phone adds up in is not published, so sums
    may be as narrow as the format. Raises :class:`InputError` if the artifact has no photograph among its vectors."""
    form = form_of(artifact.format, artifact.manifest.precision.activations, narrow_sums=True)
    bounds = [
        output_tolerance(item)
        for case, expected in read_vectors(artifact, form)
        if case.kind == "photograph"
        for item in expected
    ]
    if not bounds:
        raise InputError(f"{artifact.folder} has no photograph among its vectors", "export it again")
    return max(bounds, key=lambda bound: bound.max_rel)
