"""What an app's outputs may be off by: what rounding costs the artifact's own photograph."""

from __future__ import annotations

import numpy as np

from cloformer.errors import InputError

from ..artifact.folder import Artifact
from ..artifact.forms import form_of
from ..artifact.vectors import read_vectors
from ..parity.tolerances import MARGIN, MOST_LOSS, ROUNDINGS, OutputTolerance, output_tolerance
from ..reference.references import Expected

__all__ = ["bound_of", "kit_tolerances"]

_LEAST = 1e-3  # of a map's places: those of another picture are not those of the photograph
_MOST = 0.5  # a map that is another at half of its places is wrong in any format


def kit_tolerances(artifact: Artifact) -> dict[str, OutputTolerance]:
    """The bound for every vector of the kit, by output: a share of the largest value, or of a map of classes of its places. What a
    phone adds up in is not published, so sums may be as narrow as the format. Raises :class:`InputError` if the artifact has no
    photograph among its vectors."""
    precision = artifact.manifest.request.precision
    form = form_of(artifact.format, artifact.manifest.precision.activations, narrow_sums=True)
    photographs = [expected for case, expected in read_vectors(artifact, form) if case.kind == "photograph"]
    if not photographs:
        raise InputError(f"{artifact.folder} has no photograph among its vectors", "export it again")
    return {
        items[0].spec.name: max(
            (bound_of(item, has_steps=precision.quantization is not None) for item in items),
            key=lambda bound: bound.max_rel,
        )
        for items in zip(*photographs, strict=True)
    }


def bound_of(item: Expected, *, has_steps: bool) -> OutputTolerance:
    """The bound for an output of one photograph; ``has_steps`` says whether values inside are rounded to few steps."""
    if item.spec.role != "class_map":
        return _with_steps(item) if has_steps else output_tolerance(item)
    jumps = item.loss.jumps
    share = 0.0 if jumps is None else float(np.count_nonzero(jumps) / jumps.size)
    return OutputTolerance(
        min(MARGIN * share + _LEAST, _MOST),
        -1.0,
        f"rounding decides {share:.1e} of the photograph's places; {MARGIN:g} times that, and {_LEAST:g} of all, half of them at most",
        share,
    )


def _with_steps(item: Expected) -> OutputTolerance:
    """Of values that are rounded to 256 steps inside: one in the middle of two goes to the other by the last bit of a sum, and what
    is behind it jumps, as far as `parity` lets it."""
    bound, loss = output_tolerance(item), item.loss
    if item.want.dtype.kind != "f" or loss.jumps is None or not loss.jumps.any():
        return bound
    largest = float(np.abs(item.want[np.isfinite(item.want)]).max(initial=0))
    if not largest:
        return bound
    smooth = loss.allowed(item.want, MARGIN, ROUNDINGS * item.form.roundoff)
    share = float(loss.with_jumps(smooth).max()) / largest
    words = f"; rounding decides between two steps inside, and an element jumps by {share:.1e} of the largest value at most"
    return OutputTolerance(
        max(share, bound.max_rel),
        -1.0,
        bound.because + words,
        max(share, bound.loss),
        judges=bound.judges and share <= MARGIN * MOST_LOSS,
    )
