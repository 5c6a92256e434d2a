"""Where the nodes of a graph stand: each once, apart from the others, and its connections go from one to the other."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Sequence

import pytest

from cloformer.errors import MissingRuntimeError, UnsupportedError
from cloformer.export.view.layout import HEIGHT, MOST_NODES, WIDTH, Layout, lay_out

if sys.version_info >= (3, 11):
    pytest.importorskip("fast_sugiyama")
Edge = tuple[int, int]


def _chain(nodes: int) -> list[Edge]:
    return [(node, node + 1) for node in range(nodes - 1)]


def _drawn(seed: int) -> tuple[int, list[Edge]]:
    """Any connections, by seed: parts, circles, repeats."""
    drawn = random.Random(seed)
    nodes = drawn.randint(10, 30)
    ends = [(drawn.randrange(nodes), drawn.randrange(nodes)) for _ in range(drawn.randint(0, 50))]
    return nodes, [(min(edge), max(edge)) for edge in ends] if seed % 2 else ends


def _residual(nodes: int) -> list[Edge]:
    """Drawn at random, by seed: branches that meet again, and long connections."""
    drawn = random.Random(nodes)
    more = [(first, min(nodes - 1, first + drawn.choice([2, 3, 5, 40]))) for first in range(0, nodes - 2, 3)]
    return [*_chain(nodes), *more]


GRAPHS: dict[str, tuple[int, Sequence[Edge]]] = {
    "nothing": (0, []),
    "one": (1, []),
    "loose": (5, [(0, 1)]),
    "loose between": (
        40,
        [(first, second) for first in range(1, 40, 3) for second in (first + 3, first + 21) if second < 40],
    ),
    "chain": (200, _chain(200)),
    "residual": (600, _residual(600)),
    "many parts": (60, [edge for edge in _chain(60) if edge[0] % 4]),
    "a star": (100, [(0, node) for node in range(1, 100)]),
    "one within the other": (400, [*_chain(400), *((node, 399 - node) for node in range(190))]),
    "a circle": (30, [*_chain(30), (29, 0)]),
    "itself, twice": (3, [(0, 1), (0, 1), (1, 1), (1, 2)]),
    "backwards": (4, [(3, 2), (2, 1), (1, 0)]),
    **{f"drawn {seed}": _drawn(seed) for seed in (*range(30), 119, 300, 638, 1348)},
}


@pytest.fixture(params=GRAPHS, scope="module")
def laid(request: pytest.FixtureRequest) -> tuple[int, Sequence[Edge], Layout]:
    nodes, edges = GRAPHS[request.param]
    return nodes, edges, lay_out(nodes, edges)


def test_nodes_stand_apart_and_inside(laid: tuple[int, Sequence[Edge], Layout]) -> None:
    nodes, _, layout = laid
    assert len(layout.places) == len(layout.layers) == len(layout.columns) == nodes
    width, height = layout.size
    for x, y in layout.places:
        assert WIDTH / 2 - 1 <= x <= width - WIDTH / 2 + 1
        assert HEIGHT / 2 <= y <= height - HEIGHT / 2
    ordered = sorted(layout.places, key=lambda place: (place[1], place[0]))
    for one, other in itertools.pairwise(ordered):
        assert other[1] - one[1] >= HEIGHT or other[0] - one[0] >= WIDTH


def test_each_connection_runs_from_its_source_to_its_target(laid: tuple[int, Sequence[Edge], Layout]) -> None:
    _, edges, layout = laid
    assert len(layout.routes) == len(edges)
    for (source, target), route in zip(edges, layout.routes, strict=True):
        assert route[0] == layout.places[source]
        assert route[-1] == layout.places[target]
        assert len(route) >= 2


def test_what_is_read_stands_above_what_reads_it() -> None:
    for name in ("chain", "residual", "many parts", "a star"):
        nodes, edges = GRAPHS[name]
        layers = lay_out(nodes, edges).layers
        assert all(layers[source] < layers[target] for source, target in edges), name


def test_a_deep_graph_is_folded_into_columns_as_wide_as_a_screen() -> None:
    nodes, edges = GRAPHS["chain"]
    layout = lay_out(nodes, edges)
    assert max(layout.columns) > 2
    assert 0.5 < layout.size[0] / layout.size[1] < 4
    assert list(layout.columns) == sorted(layout.columns)
    assert lay_out(8, _chain(8)).columns == (0,) * 8


def test_equal_graphs_are_laid_out_equally() -> None:
    for name in GRAPHS:
        nodes, edges = GRAPHS[name]
        first = lay_out(nodes, edges)
        assert all(lay_out(nodes, list(edges)) == first for _ in range(2)), name


def test_too_many_nodes_are_refused_and_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedError, match="20,000"):
        lay_out(MOST_NODES + 1, [])
    monkeypatch.setitem(sys.modules, "fast_sugiyama", None)
    with pytest.raises(MissingRuntimeError, match=r"pip install 'cloformer\[view\]'"):
        lay_out(2, [(0, 1)])
