"""What published TypeScript declarations say of Android's classes: kinds, the values of constants, levels of the API."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Symbol:
    """A class as the TypeScript declarations have it. Levels are of the API; None for what was always there.
    Of members with one name, the oldest counts."""

    since: int | None
    is_interface: bool = False
    is_abstract: bool = False
    parent: str | None = None
    members: dict[str, int | None] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)


_OPENS = re.compile(
    r"(?:declare|export) module (\w+) \{|export (abstract )?class (\w+)(?:<.*?>)?(?: extends ([\w.]+))?.*\{$"
)
_MEMBER = re.compile(r"public (?:static )?(\w+)(?:: (.+);|\()")
_SINCE = re.compile(r"@since (\d+)")
_CONSTANT = re.compile(r'-?\d+|"[^"\\]*"')


def read_declarations(path: Path) -> dict[str, Symbol]:
    """Every class of Android by its full name, nested ones with dots."""
    symbols: dict[str, Symbol] = {}
    names: list[str | None] = []  # of the blocks that are open; None for one without a name
    since: int | None = None
    current: Symbol | None = None
    for line in path.read_text("utf-8").splitlines():
        text = line.strip()
        if text.startswith(("/**", "*", "//")):
            found = _SINCE.search(text)
            since = int(found[1]) if found else since
            if current is not None and " interface with the provided implementation" in text:
                current.is_interface = True
            continue
        opened = _OPENS.match(text)
        if opened:
            names.append(opened[1] or opened[3])
            if opened[3]:
                full = ".".join(name for name in names if name)
                current = symbols[full] = Symbol(since, is_abstract=bool(opened[2]), parent=opened[4])
        else:
            member = _MEMBER.match(text)
            if member and current is not None and names and names[-1]:
                earlier = current.members.get(member[1], since)
                current.members[member[1]] = min(since, earlier) if since and earlier else None
                if member[2] and _CONSTANT.fullmatch(member[2]):
                    current.constants[member[1]] = member[2]
            opens, closes = text.count("{"), text.count("}")
            names.extend([None] * (opens - closes))
            for _ in range(closes - opens):
                names.pop()
        since = None
    return symbols
