"""What words from outside become before anybody sees them."""

from __future__ import annotations

import io
import json
import math
import pickle
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloformer.errors import CheckpointError, CloformerError, InputError
from cloformer.io.output import say, say_json, tell
from cloformer.io.words import bounded, count, escape_halves, harmless, json_text, markdown, plain, reason_of

# Every character that Unicode has, halves of characters among them, and what steers terminals more often.
ANY = st.text(
    st.characters(exclude_categories=[]) | st.sampled_from("\x1b\n\r\x07\x9b\u202e\u2028\ud800:#[]"),
    max_size=400,
)
STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")


@given(ANY)
def test_plain_words_steer_nothing(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert not any(unicodedata.category(char) in STEERING for char in shown)
    shown.encode()
    assert plain(shown) == shown


@given(ANY, st.integers(9, 400))
def test_bounded_words_have_a_bound(text: str, longest: int) -> None:
    shown = bounded(text, longest)
    assert len(shown) <= longest
    assert shown.isprintable()
    assert shown == plain(text) or " ... " in shown


@given(ANY)
def test_no_line_is_a_command(text: str) -> None:
    shown = harmless(text)
    assert not re.match(r"\s*::", shown)
    assert "##[" not in shown


def test_what_is_harmless_stays_as_it_is() -> None:
    for text in ("", "a b", "naïve 世界 مرحبا שלום", "std::vector", "a # [b]", "C:\\x", "x" * 5000):
        assert harmless(text) == text
    assert harmless("::set-output name=x::y") == "\\x3a:set-output name=x::y"
    assert harmless("  ::error::x") == "  \\x3a:error::x"
    assert harmless("a ##[set-env]x") == "a #\\x23[set-env]x"
    assert bounded("begin" + "x" * 1000 + "end", 20) == "beginxx ... xxxxend"


@given(st.lists(ANY, min_size=1, max_size=4))
def test_an_error_is_three_lines_at_most(parts: list[str]) -> None:
    for error in (InputError(*parts), CheckpointError(*parts)):
        assert len(error.lines) <= 3
        assert all(line.isprintable() and len(line) <= 300 for line in error.lines)


def test_a_line_stays_one() -> None:
    """A name's line break begins no line of its own, and crowds out no next step."""
    assert InputError("a\nb\r\nc\nd", "do this", " ").lines == ["a\\nb\\r\\nc\\nd", "do this"]
    assert CloformerError("a", "b", "c", "d").lines == ["a", "b", "c"]
    again = pickle.loads(pickle.dumps(CheckpointError("a", "b", missing=["x"])))  # noqa: S301 - its own
    assert (type(again), again.lines, again.details["missing"]) == (CheckpointError, ["a", "b"], ["x"])
    assert str(again) == "a\nb"
    error = CheckpointError("a", "b", missing=["x"])
    assert isinstance(error, InputError)
    assert isinstance(error, ValueError)
    assert (error.exit_code, error.details) == (3, {"missing": ["x"], "unexpected": [], "misshaped": []})


@given(ANY)
def test_markdown_is_text(text: str) -> None:
    shown = markdown(text)
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[`|*_\[\]<>]", re.sub(r"\\\\", "", shown))


@given(
    st.recursive(st.floats() | ANY | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ANY, inner))
)
def test_any_document_is_json(document: object) -> None:
    text = json_text(document)
    text.encode()

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(text, parse_constant=refuse)
    assert json_text(document, ascii_only=True).isascii()


def test_json_keeps_what_it_can() -> None:
    document = {"z": [1, 2.5, math.nan, (math.inf, "é")], "a": "caf\udce9"}
    assert json.loads(json_text(document)) == {"z": [1, 2.5, None, [None, "é"]], "a": "caf\udce9"}
    assert json_text({"z": "é", "a": 1}) == '{\n  "z": "é",\n  "a": 1\n}\n'
    assert escape_halves("é\udce9") == "é\\udce9"


def test_the_reason_of_an_exception() -> None:
    assert reason_of(OSError(28, "No space left on device", "x")) == "No space left on device"
    assert reason_of(ValueError("\n\n first \nsecond")) == "first"
    assert reason_of(KeyError()) == "KeyError"
    assert 190 < len(reason_of(ValueError("x" * 999))) <= 200


@given(ANY)
def test_printing(text: str) -> None:
    """Whatever it is, one line, to whatever the terminal can show."""
    for encoding in ("utf-8", "ascii", "latin-1", "cp1252"):
        for tell_it, name in ((say, "stdout"), (tell, "stderr")):
            stream, before = io.TextIOWrapper(io.BytesIO(), encoding), getattr(sys, name)
            setattr(sys, name, stream)
            try:
                tell_it(text)
            finally:
                setattr(sys, name, before)
            assert stream.buffer.getvalue().count(b"\n") == 1  # type: ignore[attr-defined]


def test_printing_json_to_a_terminal_with_few_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    say_json({"é": "世\udce9"})
    assert json.loads(stream.buffer.getvalue()) == {"é": "世\udce9"}  # type: ignore[attr-defined]


def test_a_count_has_its_noun_in_the_right_number() -> None:
    said = [count(number, word) for word in ("output", "class", "axis", "query") for number in (0, 1, 2)]
    assert said == [
        "0 outputs", "1 output", "2 outputs", "0 classes", "1 class", "2 classes",
        "0 axes", "1 axis", "2 axes", "0 queries", "1 query", "2 queries",
    ]  # fmt: skip
    assert (count(["a"], "kind of operator"), count(2, "kind of operator")) == (
        "1 kind of operator",
        "2 kinds of operators",
    )
    assert count(1_234_567, "value") == "1,234,567 values"
