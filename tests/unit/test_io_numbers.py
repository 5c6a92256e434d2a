"""Numbers in words: the digits 0 to 9 and finite ones, wherever a command takes a number."""

from __future__ import annotations

import inspect
import re

import pytest
import typer
from outcome import Command

from cloformer.cli import app
from cloformer.errors import UsageError
from cloformer.export.bundle.systems import SYSTEMS
from cloformer.export.commands.options import parse_size
from cloformer.export.latency.protocol import parse_threads
from cloformer.export.source.shares import parse_share
from cloformer.export.source.spec import parse_input
from cloformer.io.numbers import finite, whole

# What Python's own int or float, or str.isdecimal, take for a number.
NOT_MEANT = [
    "١٦",
    "\uff12\uff14",
    "²",
    "1_6",
    " 16",
    "16\n",
    "+16",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "1e999",
    "0x10",
    "",
]


def test_whole_numbers() -> None:
    assert [whole(text) for text in ("0", "16", "-1", "007")] == [0, 16, -1, 7]
    assert whole("24", 24, 99) == 24
    for text in (*NOT_MEANT, "1.0", "1e3", "-", "9" * 5000):
        with pytest.raises(ValueError, match="is no whole number"):
            whole(text)
    for text in ("23", "100"):
        with pytest.raises(ValueError, match="from 24 to 99"):
            whole(text, 24, 99)


def test_finite_numbers() -> None:
    assert [finite(text) for text in ("16", "-.5", "2.", "1e-3", "1.5E+2")] == [16, -0.5, 2, 1e-3, 150]
    for text in (*(text for text in NOT_MEANT), ".", "e3", "1e", "--1", "1,5"):
        with pytest.raises(ValueError, match="is no number"):
            finite(text)
    with pytest.raises(ValueError, match="from 0 to 1"):
        finite("1.5", 0, 1)


@pytest.mark.parametrize("digits", ["١٦", "\uff11\uff16", "²"])
def test_whoever_reads_numbers_from_words(digits: str) -> None:
    for read in (
        lambda: parse_size(digits),
        lambda: parse_size(f"224x{digits}"),
        lambda: parse_threads(f"1,{digits}"),
        lambda: parse_share("--max-regression", f"{digits}%"),
        lambda: parse_input(f"image=1x3x{digits}x32"),
    ):
        with pytest.raises(UsageError):
            read()
    for row in (row for row in SYSTEMS.values() if row.default.minimum_os is not None):
        with pytest.raises(UsageError, match=r"--min-os .* from .* to ") as caught:
            row.check(type(row.default)(row.default.identifier, "Birds", digits))
        assert re.search(r"--min-os (26|16\.4)$", caught.value.lines[1])


def _numbers() -> list[tuple[str, str, str]]:
    """Every option of every command that takes a number."""
    found = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        annotations = inspect.signature(command.callback, eval_str=True).parameters
        for parameter in command.params:
            kind = re.search(r"\b(int|float)\b", str(annotations[parameter.name].annotation))
            if kind is not None:
                found.append((name, parameter.opts[0], kind[1]))
    return found


def test_every_option_that_takes_a_number(command: Command) -> None:
    options = _numbers()
    assert len(options) > 30
    for name, option, kind in options:
        for text in ("١٦", "nan"):
            refused = command(name, option, text)
            assert refused.code == 2, (name, option, text)
            what = "a whole number" if kind == "int" else "a number"
            assert refused.err.startswith(f"error: {option} takes {what}"), refused.err
            assert refused.err.splitlines()[0].endswith(f", and not {text!r}")
            assert re.search(rf"for example: {option} [0-9.]+$", refused.err)
