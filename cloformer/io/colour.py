"""Colour for people: what stands out in a line is painted where a terminal shows colours, and nowhere else.

The words are the same with and without; ``NO_COLOR`` is kept (https://no-color.org). Colours are the terminal's own sixteen, so
that they can be read on light and on dark, and rich is imported only where something is painted.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["painted"]

# A style of rich for each mark, and what is marked: the groups of these expressions, by name.
_STYLES = {
    "bad": "bold red",
    "good": "bold green",
    "odd": "magenta",
    "next": "cyan",
    "flag": "cyan",
    "heading": "bold",
    "quiet": "dim",
}
_MARKS = (
    r"^(?P<bad>error:)",
    r"\b(?P<bad>FAIL(ED)?)\b",
    r"\b(?P<good>PASS(ED)?)\b",
    r"(?P<odd>NOT TRAINED|not checked|could not be verified|unstable|drifting)",
    r"^ *(?P<odd>note|warning:|problem:)",
    r"^ *(?P<next>next: .*)$",
    r"^ *(?P<quiet># .*)$",
    r"(?P<quiet>\[(default: [^\]]*|needed)\])",
    r"^(?P<heading>(Usage|[A-Z][^:]*):)",
    r"(?:^| )(?P<flag>--?[a-z][a-z0-9-]*)",
)


def painted(lines: Sequence[str], *, error: bool = False) -> list[str]:
    """The lines with colours, if standard output (``error``: standard error) is a terminal that shows them."""
    stream = sys.stderr if error else sys.stdout
    if stream is None or not (stream.isatty() or os.environ.get("FORCE_COLOR")):
        return list(lines)
    console = _console(error)
    if not console.is_terminal or console.color_system is None or console.no_color:
        return list(lines)
    return [_painted(line, console) for line in lines]


def _painted(line: str, console: Console) -> str:
    from rich.text import Text

    text = Text(line, end="")
    for mark in _MARKS:
        text.highlight_regex(mark, style_prefix="mark.")
    with console.capture() as capture:
        console.print(text, soft_wrap=True, end="")
    return capture.get()


@functools.cache
def _console(error: bool) -> Console:
    from rich.console import Console
    from rich.theme import Theme

    theme = Theme({f"mark.{name}": style for name, style in _STYLES.items()})
    return Console(stderr=error, theme=theme, highlight=False, markup=False, emoji=False)
