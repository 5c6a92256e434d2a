"""The graph of a written file with what is known of each of its operators: where it comes from, what it stores, how far it is off,
what it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cloformer.io.read import decoding

from ..artifact.folder import Artifact
from ..artifact.origins import Origins, read_origins
from ..formats import FORMATS
from ..formats.view import ConstantView, FileView, OperatorView
from ..lint.graph import Graph
from ..lint.lint import origin_of
from .histogram import Spread, spread
from .layout import Layout, lay_out
from .measured import OwnError, Report, Taken

__all__ = ["Edge", "Node", "Picture", "Stored", "Value", "draw"]

_AnyRow = TypeVar("_AnyRow", OwnError, Taken)


@dataclass(frozen=True)
class Value:
    """A value of the file: its name, its shape (None where its rank is not known, a size None where it is not) and type."""

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str


@dataclass(frozen=True)
class Stored:
    """A constant of the file, as it is stored; ``spread`` is None where its numbers are not read."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    bytes: int
    spread: Spread | None


@dataclass(frozen=True)
class Node:
    """An operator, or a value that comes in or goes out (``role``: "operator", "input", "output").

    ``native`` is the file's word for it, ``kind`` the common one. ``is_step``: its values are steps on the way to one that the trace
    has, whose ``module`` and ``location`` these are. ``constants`` are numbers of the picture's. ``error`` and ``taken`` are of the reports, None where
    they have no row of it.
    """

    role: str
    native: str
    kind: str
    reads: tuple[Value, ...]
    gives: tuple[Value, ...]
    module: str = ""
    location: str = ""
    is_step: bool = False
    attributes: tuple[tuple[str, str], ...] = ()
    constants: tuple[int, ...] = ()
    error: OwnError | None = None
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True)
class Edge:
    """A value that one node gives and another reads; both by number."""

    source: int
    target: int
    value: str


@dataclass(frozen=True)
class Picture:
    """``nodes``: what comes in, then operators in the order they run, then what goes out. ``errors`` and ``times`` are the reports
    that were joined, with the rows that are of no operator here."""

    artifact: str
    model: str
    format: str
    precision: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    constants: tuple[Stored, ...]
    layout: Layout
    errors: Report[OwnError] | None = None
    times: Report[Taken] | None = None

    @property
    def operators(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.role == "operator")

    @property
    def unplaced_errors(self) -> int:
        """Rows of parity's that are of no operator here."""
        rows = () if self.errors is None else self.errors.rows
        return sum(row.value not in self._given for row in rows)

    @property
    def unplaced_share(self) -> float:
        """What no operator here takes of an inference: conversions between layouts, for instance."""
        rows = () if self.times is None else self.times.rows
        return sum(row.share for row in rows if row.value not in self._given)

    @property
    def _given(self) -> frozenset[str | None]:
        return frozenset(value.name for node in self.operators for value in node.gives)


def draw(
    artifact: Artifact, errors: Report[OwnError] | None = None, times: Report[Taken] | None = None
) -> Picture:
    """The artifact's file, read and laid out.

    Raises :class:`InputError` for a file that cannot be read, and what :func:`.layout.lay_out` raises.
    """
    path = artifact.model_path
    view = FORMATS[artifact.format].view(path)
    graph, origins = Graph(view), read_origins(artifact)
    with decoding(f"{path} as a model", "export it again"):  # its constants, which are decoded now
        constants, places = _constants(view.operators)
    own = {} if errors is None else _by_operator(graph, ((row.value, row) for row in errors.rows))
    taken = {} if times is None else _by_operator(graph, ((row.value, row) for row in times.rows))
    nodes = [
        *(Node("input", "input", "input", (), (value,)) for value in _inputs(view)),
        *(
            _operator(operator, graph, origins, places, own.get(number, ()), taken.get(number, ()))
            for number, operator in enumerate(view.operators)
        ),
        *(Node("output", "output", "output", (_value(view, name),), ()) for name in view.outputs),
    ]
    edges = tuple(_edges(nodes))
    return Picture(
        artifact=artifact.folder.name,
        model=artifact.manifest.name,
        format=artifact.format,
        precision=artifact.manifest.precision.name,
        nodes=tuple(nodes),
        edges=edges,
        constants=tuple(constants),
        layout=lay_out(len(nodes), [(edge.source, edge.target) for edge in edges]),
        errors=errors,
        times=times,
    )


def _value(view: FileView, name: str) -> Value:
    known = view.values.get(name)
    return Value(name, None, "") if known is None else Value(name, known.shape, known.dtype)


def _inputs(view: FileView) -> Iterator[Value]:
    """What is read, or goes out, and that no operator gives."""
    given = {name for operator in view.operators for name in operator.outputs}
    read = (name for operator in view.operators for name in operator.inputs)
    for name in dict.fromkeys((*read, *view.outputs)):
        if name not in given:
            yield _value(view, name)


def _operator(
    operator: OperatorView,
    graph: Graph,
    origins: Origins,
    places: Mapping[str, int],
    errors: Sequence[OwnError],
    taken: Sequence[Taken],
) -> Node:
    is_known = any(name in origins.places for name in operator.outputs)
    origin = origin_of(graph, origins, operator)
    words = [(name, ", ".join(map(str, sizes))) for name, sizes in operator.sizes.items() if sizes]
    numbers = [(name, f"{number:g}") for name, number in operator.numbers.items()]
    attributes = dict(operator.attributes) or dict(
        [*words, *numbers, *((word, "yes") for word in sorted(operator.words))]
    )
    return Node(
        role="operator",
        native=operator.native,
        kind=operator.kind.value,
        reads=tuple(_value(graph.view, name) for name in operator.inputs),
        gives=tuple(_value(graph.view, name) for name in operator.outputs),
        module=origin.module,
        location=origin.location,
        is_step=not is_known,
        attributes=tuple(attributes.items()),
        constants=tuple(dict.fromkeys(places[item.key] for item in operator.constants)),
        error=max(errors, key=_badness, default=None),
        taken=tuple(taken),
    )


def _badness(row: OwnError) -> float:
    """Of several values that an operator gives, the one that is worst beside what it may be."""
    if row.own is None or row.tolerance is None:
        return float("inf")
    return row.own / row.tolerance if row.tolerance else float("inf") if row.own else 0.0


def _constants(operators: Iterable[OperatorView]) -> tuple[list[Stored], dict[str, int]]:
    """Each constant once, and its number by its key."""
    found: list[Stored] = []
    places: dict[str, int] = {}
    for item in (constant for operator in operators for constant in operator.constants):
        if item.key not in places:
            places[item.key] = len(found)
            found.append(_stored(item))
    return found, places


def _stored(item: ConstantView) -> Stored:
    numbers = item.read()
    return Stored(item.name, item.shape, item.dtype, item.bytes, None if numbers is None else spread(numbers))


def _by_operator(graph: Graph, rows: Iterable[tuple[str | None, _AnyRow]]) -> dict[int, list[_AnyRow]]:
    """The rows by the number of the operator that gives their value."""
    makers = {name: number for number, item in enumerate(graph.view.operators) for name in item.outputs}
    found: dict[int, list[_AnyRow]] = {}
    for value, row in rows:
        if value in makers:
            found.setdefault(makers[value], []).append(row)
    return found


def _edges(nodes: Sequence[Node]) -> Iterator[Edge]:
    """One for each value that a node reads, however often it reads it."""
    makers = {value.name: number for number, node in enumerate(nodes) for value in node.gives}
    for number, node in enumerate(nodes):
        for value in dict.fromkeys(item.name for item in node.reads):
            if value in makers:
                yield Edge(makers[value], number, value)
