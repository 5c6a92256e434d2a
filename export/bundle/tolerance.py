"""What an app's outputs may be off by: what rounding costs the artifact's own photograph."""

from __future__ import annotations

import numpy as np

from cloformer.errors import InputError

from ..artifact.folder import Artifact
from ..artifact.forms import form_of
from ..artifact.vectors import read_vectors
from ..parity.tolerances import MARGIN, OutputTolerance, output_tolerance
from ..reference.references import Expected

__all__ = ["kit_tolerances"]

_LEAST = 1e-3  # of a map's places: those of another picture are not those of the photograph
_MOST = 0.5  # a map that is another at half of its places is wrong in any format


def kit_tolerances(artifact: Artifact) -> dict[str, OutputTolerance]:
    """The bound for every vector of the kit, by output: a share of the largest value, or of a map of classes of its places. What a
    phone adds up in is not published, so sums may be as narrow as the format. Raises :class:`InputError` if the artifact has no
    photograph among its vectors."""
    form = form_of(artifact.format, artifact.manifest.precision.activations, narrow_sums=True)
    photographs = [expected for case, expected in read_vectors(artifact, form) if case.kind == "photograph"]
    if not photographs:
        raise InputError(f"{artifact.folder} has no photograph among its vectors", "export it again")
    return {
        items[0].spec.name: max(map(_bound, items), key=lambda bound: bound.max_rel)
        for items in zip(*photographs, strict=True)
    }


def _bound(item: Expected) -> OutputTolerance:
    if item.spec.role != "class_map":
        return output_tolerance(item)
    jumps = item.loss.jumps
    share = 0.0 if jumps is None else float(np.count_nonzero(jumps) / jumps.size)
    return OutputTolerance(
        min(MARGIN * share + _LEAST, _MOST),
        -1.0,
        f"rounding decides {share:.1e} of the photograph's places; {MARGIN:g} times that, and {_LEAST:g} of all, half of them at most",
        share,
    )
