"""Where each node of a graph stands, and how each connection runs: layers from top to bottom, as Sugiyama, Tagawa and Toda (1981)
draw them, by the library fast-sugiyama; then folded into columns side by side, as a page of a newspaper is.

A network of 1,500 operators is 1,000 layers deep and five wide: in one column it is a thread.
"""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloformer.errors import MissingRuntimeError, UnsupportedError

from .columns import Columns, fold

if TYPE_CHECKING:
    from fast_sugiyama._types import LayoutType

__all__ = ["COLUMN", "HEIGHT", "MOST_NODES", "ROW", "WIDTH", "Layout", "lay_out"]

# In CSS pixels at a zoom of one: a node, and the distance between the middles of two.
WIDTH, HEIGHT = 156, 40
COLUMN, ROW = 172, 66
MOST_NODES = 20_000  # ten times the largest network for a phone; more would take the page's reader minutes
_MOST_BENDS = 25_000  # layers that connections run through without ending there, all of them together
_BEND = 0.12  # of a column: the room that a connection takes beside nodes

Edge = tuple[int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """``places`` are the middles of the nodes, by number; ``routes`` the points that each connection runs through, its ends included,
    in the order of the connections; ``layers`` says how far from the top each node stood before the picture was folded, and ``columns`` in which column
    it stands now. ``size`` is the width and height of all."""

    places: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]
    layers: tuple[int, ...]
    columns: tuple[int, ...]
    size: Point


def lay_out(nodes: int, edges: Sequence[Edge]) -> Layout:
    """``edges`` are numbers of nodes, from and to; nodes are numbered in the order they run. Equal graphs are laid out equally.

    Raises :class:`MissingRuntimeError` where the library is not installed, :class:`UnsupportedError` for more than ``MOST_NODES``.
    A connection that the layout could not afford is one straight line.
    """
    if nodes > MOST_NODES:
        raise UnsupportedError(
            f"a picture has at most {MOST_NODES:,} nodes, and the graph has {nodes:,}",
            "`cloformer inspect` and `cloformer profile` tell of it in words",
        )
    wanted = list(dict.fromkeys(edge for edge in edges if edge[0] != edge[1]))
    given = _affordable(nodes, wanted)
    xs, layers, bends = _by_library(given)
    for loose, node in enumerate(node for node in range(nodes) if node not in xs):
        xs[node], layers[node] = max(xs.values(), default=0.0) + (1.0 if loose or xs else 0.0), 0
    paths = {edge: bends.get(edge, []) for edge in wanted}
    columns = fold(_reached(xs, layers, paths), [(layers[a], layers[b]) for a, b in wanted], ROW)
    return _folded(nodes, edges, xs, layers, paths, columns)


def _affordable(nodes: int, edges: Sequence[Edge]) -> list[Edge]:
    """The connections that take part in the layout: without the longest ones where all together would run through too many layers.
    These are drawn straight. The first into and out of each node always takes part, so that none stands alone."""
    depth = [0] * nodes
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        depth[target] = max(depth[target], depth[source] + 1)
    spans = {edge: abs(depth[edge[1]] - depth[edge[0]]) for edge in edges}
    kept, left, met = [], _MOST_BENDS, set()
    for edge in sorted(edges, key=lambda edge: spans[edge]):
        is_first = ("from", edge[0]) not in met or ("to", edge[1]) not in met
        if is_first or spans[edge] <= left:
            kept.append(edge)
            left -= spans[edge]
            met |= {("from", edge[0]), ("to", edge[1])}
    return sorted(kept)


def _by_library(edges: Sequence[Edge]) -> tuple[dict[int, float], dict[int, int], dict[Edge, list[Point]]]:
    """By node its place in its layer, in widths of a node, and its layer from the top; by connection the points between its ends."""
    places: dict[int, Point] = {}
    ends: dict[Edge, list[Point]] = {}
    right = 0.0
    for real in _parts(edges):
        numbers = {node: number for number, node in enumerate(real)}
        inside = [(numbers[a], numbers[b]) for a, b in edges if a in numbers]
        ((positions, _, _, inner),) = _library(inside)
        top, left = max(y for _, (_, y) in positions), min(x for _, (x, _) in positions)
        found = {int(node): (right + x - left, top - y) for node, (x, y) in positions}
        right = max(x for x, _ in found.values()) + 1.0  # unconnected parts stand side by side
        links: dict[int, list[int]] = defaultdict(list)
        for source, target in inner or ():
            links[int(source)].append(int(target))
        places |= {real[node]: place for node, place in found.items() if node < len(real)}
        for (source, target), run in _runs(links, len(real)):
            ends[real[source], real[target]] = [found[node] for node in run]
    bends = {
        (source, target): ends.get((source, target)) or [*reversed(ends.get((target, source), []))]
        for source, target in edges
    }
    return (
        {node: x for node, (x, _) in places.items()},
        {node: round(y) for node, (_, y) in places.items()},
        bends,
    )


def _parts(edges: Sequence[Edge]) -> list[list[int]]:
    """The nodes that are connected with one another, each part in order. The library would give bends the numbers of nodes of other
    parts, if it were given all at once."""
    part: dict[int, list[int]] = {}
    for edge in edges:
        one, other = (part.setdefault(node, [node]) for node in edge)
        if one is not other:
            small, large = sorted((one, other), key=len)
            large += small
            part |= dict.fromkeys(small, large)
    return sorted(sorted(nodes) for nodes in {id(nodes): nodes for nodes in part.values()}.values())


def _library(edges: Sequence[Edge]) -> list[LayoutType]:
    """What the library makes of nodes that are numbered from 0 on; bends have the numbers behind them."""
    try:
        from fast_sugiyama import from_edges
    except ImportError:
        needs = "" if sys.version_info >= (3, 11) else ", which is for Python 3.11 and newer"
        raise MissingRuntimeError(
            f"the graph is laid out by fast-sugiyama{needs}, and it is not installed",
            "pip install 'cloformer[view]'" + (", with a newer Python" if needs else ""),
        ) from None
    found: list[LayoutType] = from_edges(
        edges,
        vertex_spacing=1.0,
        dummy_vertices=True,
        dummy_size=_BEND,
        check_layout=False,
        ranking_type="original",
    )
    return found


def _runs(links: Mapping[int, Sequence[int]], nodes: int) -> Iterator[tuple[Edge, list[int]]]:
    """Each connection with the bends that the library put between its ends: their numbers are those from ``nodes`` on."""
    for source in sorted(node for node in links if node < nodes):
        for following in links[source]:
            run: list[int] = []
            node = following
            while node >= nodes:
                run.append(node)
                (node,) = links[node]
            yield (source, node), run


def _reached(
    xs: Mapping[int, float], layers: Mapping[int, int], paths: Mapping[Edge, Sequence[Point]]
) -> list[tuple[float, float]]:
    """How far each layer reaches to the left and to the right, in pixels."""
    reach = [(0.0, 0.0)] * (max(layers.values(), default=0) + 1)
    half = WIDTH / 2 / COLUMN
    spots = [(layers[node], x - half, x + half) for node, x in xs.items()]
    spots += [(round(y), x, x) for points in paths.values() for x, y in points]
    for layer, group in itertools.groupby(sorted(spots), key=lambda spot: spot[0]):
        found = list(group)
        reach[layer] = min(spot[1] for spot in found) * COLUMN, max(spot[2] for spot in found) * COLUMN
    return reach


def _folded(
    nodes: int,
    edges: Sequence[Edge],
    xs: Mapping[int, float],
    layers: Mapping[int, int],
    paths: Mapping[Edge, Sequence[Point]],
    columns: Columns,
) -> Layout:
    """Everything in its column."""

    def place(x: float, layer: int) -> Point:
        left, top = columns.shift(layer)
        return round(x * COLUMN + left, 1), (layer - top + 0.5) * ROW

    places = [place(xs[node], layers[node]) for node in range(nodes)]
    lanes: dict[int, int] = defaultdict(int)
    routes = []
    for source, target in edges:
        bends = [(x, round(y)) for x, y in paths.get((source, target), ())]
        route = [places[source]]
        last = layers[source]
        for x, layer in [*bends, (xs[target], layers[target])]:
            between = columns.of(last), columns.of(layer)
            if between[0] != between[1]:
                route += columns.turns(between, route[-1], place(x, layer), lanes[max(between)])
                lanes[max(between)] += 1
            route.append(place(x, layer))
            last = layer
        routes.append(tuple(_straightened(route)))
    return Layout(
        tuple(places),
        tuple(routes),
        tuple(layers[node] for node in range(nodes)),
        tuple(columns.of(layers[node]) for node in range(nodes)),
        (columns.width, (columns.depth + 0.5) * ROW),
    )


def _straightened(route: Sequence[Point]) -> Iterator[Point]:
    """Without the points that lie between two others on an upright line."""
    yield route[0]
    for before, point, after in zip(route, route[1:], route[2:]):
        if not before[0] == point[0] == after[0]:
            yield point
    yield from route[1:][-1:]
