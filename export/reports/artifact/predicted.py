"""What `cloformer predict` prints for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.words import wrapped
from .text import NOT_TRAINED

if TYPE_CHECKING:
    from ...artifact.folder import Artifact
    from ...artifact.predict import Guess, Head, Prediction
    from ...artifact.seen import Seen

__all__ = ["lines", "remarks"]


_BOXES, _CLASSES, _POINTS = 10, 8, 20  # at most, of each


def lines(
    prediction: Prediction, image: str, saved: Path | None = None, drawn: Sequence[Path] = ()
) -> Iterator[str]:
    """The image, and its classes; with several outputs, or with one that is no scores of classes, each by its name."""
    yield image
    if len(prediction.heads) == 1 and prediction.heads[0].top is not None:
        yield from map(_guess, prediction.top)
    else:
        for head in prediction.heads:
            yield from _head(head)
    yield from _seen(prediction.seen)
    yield from (f"  drawn in {path}" for path in drawn)
    if saved is not None:
        yield f"  saved in {saved}"


def remarks(artifact: Artifact, notes: Sequence[str]) -> Iterator[str]:
    """What a person should know of all of it; ``notes`` say how it ran here."""
    for note in notes:
        yield from wrapped(f"  ({note})", indent=3)
    if artifact.manifest.weights.origin == "random":
        yield f"  ({NOT_TRAINED})"
    first = artifact.function.outputs[0].spec
    if first.role == "tensor" and len(first.shape) == 2:
        yield f"  (if {first.name} is scores of classes: `cloformer export --labels FILE` says so, and they are ranked)"


def _seen(seen: Seen) -> Iterator[str]:
    for box in (seen.boxes or ())[:_BOXES]:
        left, top, right, bottom = box.corners
        yield f"  {box.score:>7.2%}  {box.label or f'class {box.index}'} from ({left:.0f}, {top:.0f}) to ({right:.0f}, {bottom:.0f})"
    if seen.boxes is not None and len(seen.boxes) > _BOXES:
        yield f"  and {len(seen.boxes) - _BOXES} more boxes (--json has all)"
    if seen.boxes == ():
        yield "  no box has such a score (--min-score)"
    for name, found in seen.maps.items():
        shares = list(found.shares.items())[:_CLASSES]
        said = ", ".join(f"{share:.1%} {found.label(index) or f'class {index}'}" for index, share in shares)
        yield f"  {name}: {said}"
    for name, points in seen.points.items():
        places = ", ".join(f"({x:.0f}, {y:.0f})" for x, y, *_ in points.points[:_POINTS])
        yield f"  {name}: {places}"


def _head(head: Head) -> Iterator[str]:
    spec = head.spec
    least, mean, most = head.range
    yield f"  {spec.name} {spec.dtype} {list(spec.shape)} ({spec.role}): min {least:.6g}, mean {mean:.6g}, max {most:.6g}"
    yield from (f"  {_guess(guess)}" for guess in head.top or ())


def _guess(guess: Guess) -> str:
    return f"  {guess.probability:>7.2%}  {guess.label or f'class {guess.index}'}"
