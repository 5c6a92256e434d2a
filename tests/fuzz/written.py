"""What must hold of the files that a run wrote, of those that people and other programs read."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

__all__ = ["BREAKS", "parse_strictly", "strange_files"]

# Controls, halves of surrogates, separators of lines and of paragraphs.
BREAKS = {"Cc", "Cs", "Zl", "Zp"}
_MARKUP = ("<script>alert(1)", "<img src=x onerror")
_READ = {".html", ".md", ".xml", ".json"}
_COPIES = {"manifest.json", "origins.json"}  # in a bundle, byte for byte what the artifact has
_FRONT_MATTER = {
    "library_name",
    "pipeline_tag",
    "license",
    "license_name",
    "license_link",
    "tags",
    "metrics",
    "datasets",
}


def parse_strictly(text: str) -> Any:
    """One JSON document; :class:`ValueError` for NaN and infinity too, which are none of its numbers."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number of JSON")

    return json.loads(text, parse_constant=refuse)


def strange_files(made: Sequence[Path]) -> Iterator[str]:
    """What is wrong with them, in words."""
    for path in made:
        if path.suffix in _READ and path.name not in _COPIES:
            for words in _wrong(path, path.read_bytes()):
                yield f"{path.name}, which it wrote: {words}"


def _wrong(path: Path, data: bytes) -> Iterator[str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        yield f"it is no UTF-8: {error.reason}"
        return
    strange = {char for char in set(text) - {"\n", "\t", "\r"} if unicodedata.category(char) in BREAKS}
    if strange:
        yield f"it holds {', '.join(sorted(f'U+{ord(char):04X}' for char in strange))}"
    try:
        if path.suffix == ".json":
            parse_strictly(text)
        elif path.suffix == ".xml":
            ElementTree.fromstring(text)  # noqa: S314 - our own, just written
    except (ValueError, ElementTree.ParseError) as error:
        yield f"it cannot be read: {error}"
    if path.suffix in (".html", ".md"):
        shown = re.sub(
            r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL
        )  # a block of code shows what it holds
        yield from (f"{markup} is markup in it" for markup in _MARKUP if markup in shown)
    if path.suffix == ".md" and text.startswith("---\n"):
        head = text.split("\n---\n")[0].splitlines()[1:]
        yield from (
            f"{line[:60]!r} is in its head" for line in head if line.partition(":")[0] not in _FRONT_MATTER
        )
