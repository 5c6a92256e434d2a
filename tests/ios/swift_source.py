"""Swift files as trees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tree_sitter
import tree_sitter_swift

__all__ = ["IOS", "SWIFT_FILES", "problems", "tree", "walk"]

IOS = Path(__file__).parent.parent.parent / "deploy" / "ios"
SWIFT_FILES = sorted(
    path for path in IOS.rglob("*.swift") if not {".build", "DerivedData"} & set(path.relative_to(IOS).parts)
)

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))


def tree(source: bytes) -> tree_sitter.Node:
    """The root of a file's tree."""
    return _PARSER.parse(source).root_node


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """A node and everything below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def problems(source: bytes) -> list[str]:
    """Where a file is not Swift."""
    return [
        f"line {node.start_point[0] + 1}: {'missing ' + node.type if node.is_missing else source[node.start_byte :][:40]!r}"
        for node in walk(tree(source))
        if node.is_error or node.is_missing
    ]
