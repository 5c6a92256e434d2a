"""What an app's outputs may be off by: what rounding costs the artifact's own photograph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cloformer.errors import InputError

from ..artifact.folder import Artifact
from ..artifact.forms import form_of
from ..artifact.vectors import read_vectors
from ..parity.tolerances import MARGIN, MOST_LOSS, ROUNDINGS, OutputTolerance, output_tolerance
from ..reference.references import Expected

__all__ = ["KitBound", "bound_of", "kit_bounds", "sharpest"]

_LEAST = 1e-3  # of a map's places: those of another picture are not those of the photograph
_MOST = MARGIN * MOST_LOSS  # as far off may an output be that tells a right model from a wrong one


@dataclass(frozen=True)
class KitBound:
    """What an output may be off by on a vector of the kit: a share of its largest value, or of a map of classes of its places, and
    the least cosine. ``too_coarse`` is what rounding with sums as narrow as the number format may cost, where that is so much that it
    would let a wrong model pass; then the bound is another, which ``because`` tells."""

    max_rel: float
    cosine: float
    because: str
    too_coarse: float | None = None


def kit_bounds(artifact: Artifact) -> dict[str, KitBound]:
    """The bound for every vector of the kit, by output. What a phone adds up in is not published, so sums may be as narrow as the
    format; where that could tell nothing, by :func:`sharpest`. Raises :class:`InputError` if the artifact has no photograph among its
    vectors."""
    narrow, wide = (_of_photographs(artifact, narrow_sums=narrow) for narrow in (True, False))
    maps = {item.spec.name for item in artifact.function.outputs if item.spec.role == "class_map"}
    return {name: sharpest(bound, wide[name], is_map=name in maps) for name, bound in narrow.items()}


def sharpest(narrow: OutputTolerance, wide: OutputTolerance, *, is_map: bool = False) -> KitBound:
    """The bound with narrow sums, or where that cannot tell a right model from a wrong one, with sums in float32. Where that cannot
    either, the widest that tells anything: what is beyond could not be verified, which is no success."""
    if narrow.judges:
        return KitBound(narrow.max_rel, narrow.cosine, narrow.because)
    cost = _cost(narrow.loss, is_map=is_map)
    if not wide.judges:
        words = f"rounding alone may {cost}; no output that tells anything is off by more than {_MOST:.0%}"
        return KitBound(_MOST, -1.0, words, narrow.loss)
    words = f"sums as narrow as the number format may {cost}, which would let a wrong model pass; with sums in float32, "
    return KitBound(wide.max_rel, wide.cosine, words + wide.because, narrow.loss)


def _cost(loss: float, *, is_map: bool) -> str:
    if is_map:
        return f"decide {loss:.0%} of its places"
    return f"cost {loss:.0%} of its largest value" if math.isfinite(loss) else "cost any finite value"


def _of_photographs(artifact: Artifact, *, narrow_sums: bool) -> dict[str, OutputTolerance]:
    precision = artifact.manifest.request.precision
    form = form_of(artifact.format, artifact.manifest.precision.activations, narrow_sums=narrow_sums)
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
        MARGIN * share + _LEAST,
        -1.0,
        f"rounding decides {share:.1e} of the photograph's places; {MARGIN:g} times that, and {_LEAST:g} of all",
        share,
        judges=share <= MOST_LOSS,
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
        judges=bound.judges and share <= _MOST,
    )
