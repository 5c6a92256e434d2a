"""What `cloformer view` says of the page that it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.io.words import size

from ..shared.words import count, wrapped

if TYPE_CHECKING:
    from ...view.measured import Missing
    from ...view.picture import Picture

__all__ = ["as_json", "lines"]

_ALWAYS = ("kind", "module", "precision", "size of weights")


def lines(picture: Picture, path: Path, written: int, missing: Sequence[Missing]) -> Iterator[str]:
    """For people."""
    yield f"wrote {path}"
    yield from wrapped(
        f"  {count(picture.operators, 'operator')}, {count(picture.edges, 'connection')}; the page has {size(written)}",
        indent=2,
    )
    yield from wrapped(f"  colours: {', '.join(_colours(picture))}", indent=2)
    for item in missing:
        yield from wrapped(f"  not by {item.title}: {item.why}", indent=4)
        yield f"    {item.command}"


def as_json(picture: Picture, path: Path, written: int, missing: Sequence[Missing]) -> dict[str, object]:
    """For programs."""
    return {
        "schema_version": 1,
        "page": str(path),
        "bytes": written,
        "artifact": picture.artifact,
        "operators": len(picture.operators),
        "connections": len(picture.edges),
        "stored_bytes": sum(item.bytes for item in picture.constants),
        "colours": list(_colours(picture)),
        "missing": [item.to_json() for item in missing],
    }


def _colours(picture: Picture) -> Iterator[str]:
    yield from _ALWAYS
    if picture.errors is not None:
        yield "own error"
    if picture.times is not None:
        yield "share of instructions" if picture.times.unit == "instructions" else "share of time"
