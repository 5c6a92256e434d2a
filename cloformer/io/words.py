"""Words from outside, made harmless before a terminal, a log or another program shows them.

Names of files, layers, classes and devices, what a manifest says, the text of other people's exceptions: all of it may
hold what moves a cursor, turns the writing round, begins a line that a CI takes for a command, or cannot be encoded.
:func:`plain` spells that out. :mod:`cloformer.io.output`, which alone prints, prints nothing that was not made
:func:`harmless`, and an error's lines are :func:`bounded` when it is made.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sized
from html import escape

__all__ = [
    "bounded",
    "count",
    "escape_controls",
    "escape_halves",
    "harmless",
    "is_text",
    "json_text",
    "markdown",
    "plain",
    "reason_of",
    "size",
]

_LONGEST_ERROR = 300  # characters of an error's line
_LONGEST_LINE = 5000  # of any other: a path alone has up to 4096 bytes
_COMMAND = re.compile(r"^(\s*):(?=:)|##\[")  # what the runners of GitHub and Azure take for a command


def plain(text: str) -> str:
    """One line that can be shown anywhere: line breaks, what moves a cursor or turns the writing round, and halves of
    characters are spelt out as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def size(total: int) -> str:
    """Bytes in megabytes, or in kilobytes if these are few."""
    return f"{total / 1e6:.2f} MB" if total >= 1e5 else f"{total / 1e3:.1f} kB"


def bounded(text: str, longest: int = _LONGEST_ERROR) -> str:
    """:func:`plain`, and at most ``longest`` characters: of what is longer the middle is left out."""
    text = plain(text if len(text) <= 2 * longest else text[:longest] + text[-longest:])
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def harmless(line: str) -> str:
    """A line as it may be printed: :func:`bounded`, and no command to the runner of a CI."""
    return _COMMAND.sub(_spelt_out, bounded(line, _LONGEST_LINE))


def reason_of(error: BaseException) -> str:
    """What an exception of somebody else's says, in one short line; its class if it says nothing."""
    said = getattr(error, "strerror", None) or next(
        (line for line in str(error).splitlines() if line.strip()), ""
    )
    return bounded(str(said).strip() or type(error).__name__, 200)


def markdown(text: str) -> str:
    """Text that is nothing but text in Markdown, in a cell of a table and in a heading too."""
    escaped = escape(plain(text), quote=False)
    return "".join(f"\\{char}" if char in "\\`*_{}[]|~#@!$:" else char for char in escaped)


# Beyond what JSON escapes by itself: delete, the second controls, separators of lines, and what turns writing round.
_STEERS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def json_text(document: object, *, ascii_only: bool = False) -> str:
    """The document in lines, in its own order, with a newline at the end. A number that is none, for which JSON has no
    word, is null; halves of characters are escapes."""
    try:
        text = json.dumps(document, indent=2, ensure_ascii=ascii_only, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(document), indent=2, ensure_ascii=ascii_only, allow_nan=False)
    return escape_controls(text) + "\n"


def escape_controls(json_text: str) -> str:
    """JSON in which what steers a terminal or turns the writing round is an escape, and so are halves of characters."""
    return _STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", escape_halves(json_text))


def escape_halves(text: str) -> str:
    """``text``, which can be encoded: lone surrogates, which names of files in another encoding hold, are escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


_PLURALS = {
    "axis": "axes",
    "epoch": "epochs",
    "entry": "entries",
    "kind of operator": "kinds of operators",
    "query": "queries",
}
_HISSES = ("s", "x", "ch", "sh")


def count(items: int | Sized, word: str) -> str:
    """``3 outputs``, ``1 output``, ``2 classes``; of ``items`` or of so many."""
    total = items if isinstance(items, int) else len(items)
    if total != 1:
        word = _PLURALS.get(word) or word + ("es" if word.endswith(_HISSES) else "s")
    return f"{total:,} {word}"


def is_text(text: str) -> bool:
    """Whether it can be encoded: not the name of a file in another encoding."""
    return escape_halves(text) == text


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _spelt_out(found: re.Match[str]) -> str:
    return "#\\x23[" if found[0] == "##[" else f"{found[1]}\\x3a"
