"""`make ios-checks` sees what is missing or too new. What Apple declares is made up here."""

from __future__ import annotations

import apple_symbols
import pytest
from swift_source import tree, walk
from type_data import Declarations

TEXT = """
/**
 * @since 11.0
 */
declare class MLModel extends NSObject {

	static alloc(): MLModel; // inherited from NSObject

	/** @since 16.0 */
	static compileModel(modelURL: NSURL): void;

	readonly plain: string;
}

declare class Child extends MLModel {
}

declare const enum Kind {

	One = 0,
}

/**
 * @since 17.0
 */
declare function made(): any;

declare const known: number;
"""


@pytest.mark.parametrize(
    ("symbol", "found"),
    [
        ("MLModel", (True, (11, 0))),
        ("MLModel.compileModel", (True, (16, 0))),
        ("MLModel.plain", (True, (11, 0))),
        ("Child.compileModel", (True, (16, 0))),
        ("Kind.One", (True, None)),
        ("made", (True, (17, 0))),
        ("known", (True, None)),
        ("MLModel.another", (False, None)),
        ("Another", (False, None)),
    ],
)
def test_declarations_are_found(symbol: str, found: tuple[bool, tuple[int, int] | None]) -> None:
    assert Declarations({"CoreML": TEXT}).find(symbol) == found


class _Everything(Declarations):
    """All of Apple's symbols are there, but one; and all are old, but one."""

    def __init__(self) -> None:
        super().__init__({})

    def find(self, path: str) -> tuple[bool, tuple[int, int] | None]:
        if path == "CVPixelBufferGetBaseAddress":
            return False, None
        return True, (16, 0) if path == "MLModel.compileModelAtURLCompletionHandler" else (11, 0)


def test_what_is_missing_or_too_new_fails() -> None:
    good, wrong = apple_symbols.check(_Everything(), (15, 0))
    assert len(good) > 100
    assert wrong == [
        "CVPixelBufferGetBaseAddress: there is no CVPixelBufferGetBaseAddress",
        "MLModel.compileModel: MLModel.compileModelAtURLCompletionHandler is of iOS 16.0",
    ]


class _New(Declarations):
    """As MLComputePlan and what it gives are."""

    def __init__(self, since: tuple[int, int]) -> None:
        super().__init__({})
        self._since = since

    def find(self, path: str) -> tuple[bool, tuple[int, int] | None]:
        return True, self._since if "ComputePlan" in path else (11, 0)


def test_what_is_new_is_asked_for_before_it_is_used() -> None:
    assert apple_symbols.check(_New((17, 4)), (16, 0))[1] == []
    wrong = apple_symbols.check(_New((17, 5)), (16, 0))[1]
    assert (
        "MLComputePlan.load: MLComputePlan.loadContentsOfURLConfigurationCompletionHandler is of iOS 17.5"
        in wrong
    )
    assert len(wrong) == len([name for name in apple_symbols.MEMBERS if name.startswith("MLComputePlan")]) + 1


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("func f() { guard #available(iOS 17.4, macOS 14.4, *) else { return }; _ = MLNew() }", (17, 4)),
        ("@available(iOS 17.4, *)\nfunc f(_ given: MLNew) {}", (17, 4)),
        ("func f() { _ = MLNew(); guard #available(iOS 17.4, *) else { return } }", (0, 0)),
        ("@available(iOS 17.4, *)\nfunc g() {}\nfunc f() { _ = MLNew() }", (0, 0)),
        ("let new = MLNew()", (0, 0)),
    ],
)
def test_the_version_that_is_asked_for(source: str, asked: tuple[int, int]) -> None:
    (node,) = (item for item in walk(tree(source.encode())) if item.text == b"MLNew" and not item.children)
    assert apple_symbols.asked_for(node) == asked


def test_the_tables_name_what_the_app_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is stale, and a member that nobody has looked up is seen."""
    assert [line for line in apple_symbols.check(_Everything(), (16, 0))[1] if "table" in line] == []
    monkeypatch.delitem(apple_symbols.MEMBERS, "VNCoreMLRequest.regionOfInterest")
    monkeypatch.setitem(apple_symbols.MEMBERS, "MLModel.unused", "MLModel.unused")
    wrong = apple_symbols.check(_Everything(), (16, 0))[1]
    assert any(line.startswith(".regionOfInterest: it is in no table") for line in wrong)
    assert "MLModel.unused: it is in a table, and not used" in wrong
