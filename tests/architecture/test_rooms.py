"""The order of the rooms: imports run one way, and nowhere in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "architecture.md"

# From what everything stands on to what stands on everything: a file imports from its own room and from earlier ones.
ROOMS = (
    "cloformer.io.words",  # an error makes its lines harmless by itself
    "cloformer.io.near",  # and says which name was meant
    "cloformer.errors",
    "cloformer.io",
    "cloformer",  # the network, its variants and its checkpoints
    "cloformer.export.schemas",
    "cloformer.export.source",
    "cloformer.export.accuracy",
    "cloformer.export.passes",
    "cloformer.export.formats",
    "cloformer.export.reference",
    "cloformer.export.calibration",
    "cloformer.export.artifact",
    "cloformer.export.parity",
    "cloformer.export.lint",  # runs files on the images that parity takes
    "cloformer.export.pipeline",
    "cloformer.export.latency",
    "cloformer.export.bundle",
    "cloformer.export.device",
    "cloformer.export.pareto",
    "cloformer.export.view",  # after lint, whose graph it draws
    "cloformer.training",
    "cloformer.export.reports",
    "cloformer.export.commands",
    "cloformer.cli",
    "cloformer.__main__",
)
# The version number alone, which the package has from the start.
PACKAGE_ITSELF = {"cloformer", "cloformer.export"}


def _modules() -> dict[str, Path]:
    """Every module by its name, where its file stands."""
    found = {"cloformer.cli": ROOT / "cli.py"}
    for top, prefix in ((ROOT / "export", ("cloformer",)), (ROOT / "cloformer", ())):
        for path in sorted(top.rglob("*.py")):
            if any(parent.is_symlink() for parent in (path, *path.parents)):
                continue  # cloformer/export and cloformer/cli.py: seen where they stand
            parts = (*prefix, *path.relative_to(ROOT).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _imports(module: str) -> Iterator[str]:
    """The modules that a module imports, inside functions and for types too."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                if name in MODULES:
                    yield name
                elif base in MODULES:
                    yield base


GRAPH: Mapping[str, frozenset[str]] = {
    module: frozenset(_imports(module)) - {module, *PACKAGE_ITSELF} for module in MODULES
}


def _room(module: str) -> int:
    """The place of the longest room that the module's name begins with."""
    inside = [room for room in ROOMS if module == room or module.startswith(f"{room}.")]
    return ROOMS.index(max(inside, key=len))


def test_every_room_has_files() -> None:
    assert {ROOMS[_room(module)] for module in MODULES} == set(ROOMS)
    assert len(MODULES) > 200


@pytest.mark.parametrize("module", [module for module in MODULES if module not in PACKAGE_ITSELF])
def test_imports_run_one_way(module: str) -> None:
    later = [name for name in GRAPH[module] if _room(name) > _room(module)]
    assert not later, f"{module} is in {ROOMS[_room(module)]}"


def test_only_commands_know_of_training() -> None:
    stands_on = {module for module in MODULES if module.startswith("cloformer.training")}
    known_to = {module for module, names in GRAPH.items() if names & stands_on} - stands_on
    assert all(
        module.startswith(("cloformer.export.commands", "cloformer.export.reports")) for module in known_to
    )


def test_no_circles() -> None:
    """What can be taken away, because it imports nothing that is left, is taken away until nothing is left."""
    left = dict(GRAPH)
    while free := [module for module, names in left.items() if not names & left.keys()]:
        for module in free:
            del left[module]
    assert not left


def test_the_document_names_every_room() -> None:
    text = DOCUMENT.read_text("utf-8")
    for room in ROOMS[5:-1]:
        path = room.removeprefix("cloformer.").replace(".", "/")
        assert f"`{path}/`" in text or f"`{path}.py`" in text or f"`cloformer/{path}/`" in text, room


@pytest.mark.parametrize("path", sorted((ROOT / "export").glob("*.py")), ids=lambda path: path.name)
def test_no_file_stands_outside_a_room(path: Path) -> None:
    assert path.name == "__init__.py"


TABLES: set[str] = set()  # files that may be longer, because they are tables


@pytest.mark.parametrize("module", MODULES)
def test_files_can_be_read_in_a_sitting(module: str) -> None:
    lines = len(MODULES[module].read_text("utf-8").splitlines())
    assert lines <= 350 or module in TABLES, lines
