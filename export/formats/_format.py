"""What a format is: the one interface between the pipeline and the exporters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import UnsupportedError
from ..precision import Precision
from ..preprocessing import Preprocessing
from ..signature import Signature

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from ..trace import Origin

__all__ = [
    "Description",
    "Exporter",
    "GraphFigures",
    "Lowered",
    "Unsupported",
    "Written",
    "refuse_unsupported",
]


@dataclass(frozen=True)
class Description:
    """What a person sees of the model in a viewer."""

    name: str
    summary: str
    author: str = ""
    license: str = ""
    version: str = ""


@dataclass(frozen=True)
class Lowered:
    """What an exporter takes. ``option`` is the opset or the deployment target."""

    program: ExportedProgram
    signature: Signature
    preprocessing: Mapping[str, Preprocessing]
    labels: Sequence[str] | None
    precision: Precision
    option: str
    description: Description


@dataclass(frozen=True)
class Written:
    """What an exporter wrote: the model's path below the folder, and the signature it has now."""

    path: str
    signature: Signature
    preprocessing_inside: bool
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphFigures:
    """Operators of a written model, constants not counted, and the highest rank of any value."""

    operators: int
    by_type: Mapping[str, int]
    max_rank: int

    @classmethod
    def count(cls, kinds: Sequence[str], max_rank: int) -> GraphFigures:
        return cls(len(kinds), dict(sorted(Counter(kinds).items())), max_rank)

    def to_json(self) -> dict[str, Any]:
        return {"operators": self.operators, "by_type": dict(self.by_type), "max_rank": self.max_rank}


@dataclass(frozen=True)
class Unsupported:
    """An operator that a format cannot take, and where in the model it is."""

    operator: str
    origin: Origin


class Exporter(Protocol):
    """A module of this folder: one per format."""

    def unsupported(self, program: ExportedProgram, option: str) -> list[Unsupported]:
        """All operators that the format cannot take."""

    def write(self, lowered: Lowered, folder: Path) -> Written:
        """Write the model below ``folder``."""

    def check(self, path: Path) -> GraphFigures:
        """Load the written model back, check its types and count its operators; raises if it is not valid."""


def refuse_unsupported(found: Sequence[Unsupported], format_name: str) -> None:
    """Raise one :class:`UnsupportedError` that names all of ``found``."""
    if not found:
        return
    kinds = sorted({item.operator for item in found})
    places = [f"{item.operator} at {item.origin.location or item.origin.name}" for item in found]
    shown = "; ".join(places[:3]) + (
        f"; and {len(places) - 3} more (--json lists all)" if len(places) > 3 else ""
    )
    raise UnsupportedError(
        f"{format_name} cannot take {len(kinds)} kinds of operators at {len(found)} places: {', '.join(kinds[:6])}",
        shown,
        "rewrite these lines with other operators, or choose another --format",
        details={
            "unsupported": [
                {"operator": i.operator, "module": i.origin.module, "location": i.origin.location}
                for i in found
            ]
        },
    )
