"""Which symbols of Android and Java the compiled classes use, and from which API level on each is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from checklist import run

from .declarations import Symbol
from .tools import java, sources

# javap leaves out the class of a member where it is the class that it shows.
_REFERENCE = re.compile(r"// (?:Interface)?(?:Method|Field) (?:([\w/$]+)\.)?(?:\"<init>\"|([\w$]+)):")
_CLASS = re.compile(r"// class (?:\"\[+L)?([\w/$]+)")
_DECLARED = re.compile(r"^(?:\w+ )*(?:class|interface) ([\w.$]+)(?:<.*?>)? (?:extends ([\w.$]+))?.*\{$")
_SOURCE = re.compile(r'^Compiled from "(\w+\.kt)"')


@dataclass(frozen=True)
class Use:
    """A source file of ours uses a symbol: a class, or a member of it."""

    file: str
    symbol: str
    level: int | None


def uses(folders: list[Path], symbols: Mapping[str, Symbol]) -> Iterator[Use]:
    """Every use of a class or member that the declarations know; members are looked for in superclasses too."""
    files = [path for folder in folders for path in sources(folder, suffix=".class")]
    text = run(java("javap"), "-p", "-c", "-cp", ":".join(map(str, folders)), *files)
    parents = dict(found for found in map(_parent, text.splitlines()) if found)
    file = shown = ""
    for line in text.splitlines():
        compiled, declared = _SOURCE.match(line), _DECLARED.match(line)
        file = compiled[1] if compiled else file
        shown = declared[1].replace("$", ".") if declared else shown
        reference, mentioned = _REFERENCE.search(line), _CLASS.search(line)
        if reference:
            owner = reference[1].replace("/", ".").replace("$", ".") if reference[1] else shown
            while owner in parents:
                owner = parents[owner]
            if owner in symbols:
                yield Use(file, owner, symbols[owner].since)
                having = _having(symbols, owner, reference[2])
                if having is not None:
                    yield Use(file, f"{having}.{reference[2]}", symbols[having].members[reference[2]])
        elif mentioned:
            name = mentioned[1].replace("/", ".").replace("$", ".")
            if name in symbols:
                yield Use(file, name, symbols[name].since)


def _having(symbols: Mapping[str, Symbol], owner: str, member: str | None) -> str | None:
    """The class that declares a member: ``owner`` or a superclass; None for a member of ours."""
    name: str | None = owner
    while name is not None and name in symbols and member is not None:
        if member in symbols[name].members:
            return name
        name = symbols[name].parent
    return None


def _parent(line: str) -> tuple[str, str] | None:
    """A class of ours and what it extends."""
    found = _DECLARED.match(line)
    return (found[1].replace("$", "."), found[2].replace("$", ".")) if found and found[2] else None
