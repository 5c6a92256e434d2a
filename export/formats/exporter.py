"""What a format is: the one interface between the pipeline and the exporters."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cloformer.errors import UnsupportedError
from cloformer.io.fields import Fields
from cloformer.io.words import count

from ..source.origin import Origin
from ..source.precision import Precision
from ..source.preprocessing import Preprocessing
from ..source.signature import Signature
from ..source.suppression_rule import Suppression

if TYPE_CHECKING:
    from torch import fx
    from torch.export import ExportedProgram


__all__ = [
    "Description",
    "Exporter",
    "GraphFigures",
    "Lowered",
    "Undelegated",
    "Unsupported",
    "ValueOrigin",
    "Written",
    "unsupported_error",
    "value_origins",
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
    """What an exporter takes. ``options`` are the format's own by name, as its framework
    spells them; ``pipeline`` is the rule of a suppression that the format has as a stage of its own, behind the network."""

    program: ExportedProgram
    signature: Signature
    preprocessing: Mapping[str, Preprocessing]
    labels: Sequence[str] | None
    precision: Precision
    options: Mapping[str, str]
    description: Description
    pipeline: Suppression | None = None

    def kept_in_float32(self) -> set[str]:
        """The nodes that the precision excepts. Raises :class:`UnsupportedError` for one that the graph does not have."""
        names = {node.name for node in self.program.graph.nodes}
        unknown = sorted(set(self.precision.exceptions) - names)
        if unknown:
            raise UnsupportedError(
                f"the precision map names {unknown[0]!r}, and the graph has no such node",
                "write the map from an artifact of the same model, made with the same options",
            )
        return set(self.precision.exceptions)


@dataclass(frozen=True)
class ValueOrigin:
    """A value of the written model: the nodes of the lowered program that its operator computes, in order.

    ``equals`` is the node whose value it is; None for a step on the way to one.
    """

    value: str
    nodes: tuple[str, ...]
    equals: str | None


@dataclass(frozen=True)
class Written:
    """What an exporter wrote: the model's path below the folder, the signature it has now, and where the
    values inside it come from."""

    path: str
    signature: Signature
    values: tuple[ValueOrigin, ...]
    notes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Undelegated:
    """An operator of a written model that no delegate takes, and where in the model it comes from. The origin's name is that
    of the value that it computes."""

    operator: str
    origin: Origin

    def to_json(self) -> dict[str, object]:
        return {"operator": self.operator, **self.origin.to_json()}


@dataclass(frozen=True)
class GraphFigures:
    """Operators of a written model, constants not counted, and the highest rank of any value. Of a format whose runtime hands
    the operators to delegates: the pieces that they take, and what they leave; None where there are no delegates."""

    operators: int
    by_type: Mapping[str, int]
    max_rank: int
    partitions: int | None = None
    undelegated: tuple[Undelegated, ...] = ()

    @classmethod
    def count(cls, kinds: Sequence[str], max_rank: int) -> GraphFigures:
        return cls(len(kinds), dict(sorted(Counter(kinds).items())), max_rank)

    def placed(self, program: ExportedProgram, values: Iterable[ValueOrigin]) -> GraphFigures:
        """With the module and line of what no delegate takes, of the ``values`` of a model written of ``program``; a value on the
        way to a node's begins with its name: "softmax/exp"."""
        from ..source.trace import origin_of

        nodes = {node.name: node for node in program.graph.nodes}
        computed = {item.value: item.nodes[-1] for item in values if item.nodes}

        def placed(item: Undelegated) -> Undelegated:
            value = item.origin.name
            node = nodes.get(computed.get(value) or value.partition("/")[0])
            return item if node is None else replace(item, origin=replace(origin_of(node), name=value))

        return replace(self, undelegated=tuple(map(placed, self.undelegated)))

    def to_json(self) -> dict[str, object]:
        document: dict[str, object] = {
            "operators": self.operators, "by_type": dict(self.by_type), "max_rank": self.max_rank,
        }  # fmt: skip
        if self.partitions is None:
            return document
        return document | {
            "partitions": self.partitions, "undelegated": [item.to_json() for item in self.undelegated],
        }  # fmt: skip

    @classmethod
    def from_fields(cls, fields: Fields) -> GraphFigures:
        """The figures in a JSON object; :class:`FieldError` for the first field that is wrong."""
        figures = cls(
            fields.whole("operators"),
            fields.counts("by_type"),
            fields.whole("max_rank", 0, 1000),
            fields.default("partitions", fields.whole, None),
            tuple(
                Undelegated(item.text("operator"), Origin.from_fields(item))
                for item in fields.each("undelegated")
            ),
        )
        fields.done()
        return figures


@dataclass(frozen=True)
class Unsupported:
    """An operator that a format cannot take, where in the model it is, and what its framework says of it; nothing, if it
    has no conversion."""

    operator: str
    origin: Origin
    reason: str = ""


class Exporter(Protocol):
    """A module of this folder: one per format."""

    def unsupported(self, program: ExportedProgram) -> list[Unsupported]:
        """All operators that the format cannot take."""

    def write(self, lowered: Lowered, folder: Path) -> Written:
        """Write the model below ``folder``."""

    def check(self, path: Path) -> GraphFigures:
        """Load the written model back, check its types and count its operators; raises if it is not valid."""


Shape = tuple[int, ...]


def value_origins(
    program: ExportedProgram, operators: Iterable[tuple[Mapping[str, Shape | None], Iterable[str]]]
) -> tuple[ValueOrigin, ...]:
    """The origins of what ``operators`` give: each by its outputs with their shapes, where these are known, and
    the program's nodes that it carries, in the order they run.

    The last operator that carries a node gives the node's value, if it has the node's shape, or the same sizes in another
    order: a framework that moves a transpose leaves behind a value whose axes are exchanged.
    """
    nodes = {node.name: node for node in program.graph.nodes if node.op == "call_function"}
    place = {name: index for index, name in enumerate(nodes)}
    steps = [
        (outputs, tuple(sorted({name for name in carried if name in place}, key=place.__getitem__)))
        for outputs, carried in operators
    ]
    last = {name: index for index, (_, carried) in enumerate(steps) for name in carried}
    origins = []
    for index, (outputs, carried) in enumerate(steps):
        final = nodes[carried[-1]] if carried and last[carried[-1]] == index else None
        for number, (output, shape) in enumerate(outputs.items()):
            equal = None if final is None else _given(final, number, len(outputs))
            is_it = equal is not None and (shape is None or _has_sizes(equal, shape))
            origins.append(ValueOrigin(output, carried, equal.name if equal is not None and is_it else None))
    return tuple(origins)


def _given(node: fx.Node, number: int, count: int) -> fx.Node | None:
    """The node whose value is output ``number`` of ``count``: of a list, the node that takes this piece. A framework may carry the
    pieces, and not the list that they are taken of."""
    if node.target is operator.getitem and count > 1:
        (node,) = node.all_input_nodes
    value = node.meta.get("val")
    if not isinstance(value, (list, tuple)):
        return node if count == 1 else None
    pieces = {user.args[1]: user for user in node.users if user.target is operator.getitem}
    return pieces.get(number) if count == len(value) else None


def _has_sizes(node: fx.Node, shape: Shape) -> bool:
    """Whether the node's axes have these sizes, in any order."""
    own = getattr(node.meta.get("val"), "shape", None)
    return own is not None and sorted(map(int, own)) == sorted(shape)


def unsupported_error(found: Sequence[Unsupported], format_name: str) -> UnsupportedError:
    """One error that names all of ``found``."""
    kinds = sorted({item.operator for item in found})
    places = [f"{item.operator} at {item.origin}" for item in found]
    shown = "; ".join(places[:3]) + (
        f"; and {len(places) - 3} more (--json lists all)" if len(places) > 3 else ""
    )
    what = f"{count(kinds, 'kind of operator')} at {count(found, 'place')}: {', '.join(kinds[:6])}"
    if len(found) == 1:
        what, shown = kinds[0], f"where: {found[0].origin}"
        what += f": {found[0].reason}" if found[0].reason else ": there is no conversion for it"
    return UnsupportedError(
        f"{format_name} cannot take {what}",
        shown,
        "rewrite these lines with other operators, or choose another --format",
        details={
            "unsupported": [
                {
                    "operator": i.operator,
                    "module": i.origin.module,
                    "location": i.origin.location,
                    "reason": i.reason or "there is no conversion for it",
                }
                for i in found
            ]
        },
    )
