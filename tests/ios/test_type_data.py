"""`make ios-checks` sees what is missing or too new. What Apple declares is made up here."""

from __future__ import annotations

import apple_symbols
import pytest
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


def test_the_tables_name_what_the_app_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is stale, and a member that nobody has looked up is seen."""
    assert [line for line in apple_symbols.check(_Everything(), (16, 0))[1] if "table" in line] == []
    monkeypatch.delitem(apple_symbols.MEMBERS, "VNCoreMLRequest.regionOfInterest")
    monkeypatch.setitem(apple_symbols.MEMBERS, "MLModel.unused", "MLModel.unused")
    wrong = apple_symbols.check(_Everything(), (16, 0))[1]
    assert any(line.startswith(".regionOfInterest: it is in no table") for line in wrong)
    assert "MLModel.unused: it is in a table, and not used" in wrong
