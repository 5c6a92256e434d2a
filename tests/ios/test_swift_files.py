"""The Swift files parse, and those that are built on Linux ask for nothing that Linux has not."""

from __future__ import annotations

from pathlib import Path

import pytest
from swift_source import IOS, SWIFT_FILES, problems, tree, walk

LONGEST = 300  # lines: read in a sitting
WIDEST = 120


@pytest.mark.parametrize("path", SWIFT_FILES, ids=lambda path: path.relative_to(IOS).as_posix())
def test_it_is_swift(path: Path) -> None:
    assert problems(path.read_bytes()) == []


@pytest.mark.parametrize("source", ["func f( {}", "let x = ", "struct A { let b: }", "class { "])
def test_what_is_not_swift_is_seen(source: str) -> None:
    assert problems(source.encode())


def imports(path: Path) -> set[str]:
    nodes = (node for node in walk(tree(path.read_bytes())) if node.type == "import_declaration")
    return {node.text.decode().split()[-1] for node in nodes if node.text is not None}


def test_the_core_is_built_anywhere() -> None:
    files = sorted((IOS / "Sources" / "CloFormerCore").glob("*.swift"))
    assert files
    assert set().union(*map(imports, files)) <= {"Foundation", "Dispatch"}
    tests = sorted((IOS / "CoreTests").glob("*.swift"))
    assert set().union(*map(imports, tests)) == {"Foundation", "XCTest", "CloFormerCore"}


def test_the_app_asks_for_apples_frameworks_alone() -> None:
    ours = {"CloFormerCore", "CloFormerCoreML"}
    apples = {
        "CoreGraphics", "CoreML", "CoreVideo", "CryptoKit", "Foundation", "ImageIO", "PhotosUI", "SwiftUI", "UIKit",
        "Vision", "XCTest",
    }  # fmt: skip
    for folder in ("Sources/CloFormerCoreML", "App/Sources", "Tests/Sources"):
        files = sorted((IOS / folder).glob("*.swift"))
        assert files
        assert set().union(*map(imports, files)) <= ours | apples


def test_files_can_be_read_in_a_sitting() -> None:
    for path in SWIFT_FILES:
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) <= LONGEST, path.name
        wide = [number for number, line in enumerate(lines, 1) if len(line) > WIDEST]
        assert wide == [], path.name


def test_nothing_is_forced_and_nothing_is_printed() -> None:
    """A photograph or a model that is not as expected is an error message, not a crash."""
    for path in SWIFT_FILES:
        for node in walk(tree(path.read_bytes())):
            text = (node.text or b"").decode()
            assert text not in ("try!", "as!", "fatalError", "print"), f"{path.name}: {text}"
            if node.type == "bang" and node.parent is not None:
                assert node.parent.type == "prefix_expression", f"{path.name}: {node.parent.text!r} is forced"
