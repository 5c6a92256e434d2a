"""Reads `project.pbxproj`: a property list of the old style, strictly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

__all__ = ["Project", "parse", "xcconfig"]

_TOKEN = re.compile(
    r"(?P<skipped>\s+|//[^\n]*|/\*.*?\*/)"
    r'|(?P<quoted>"(?:[^"\\]|\\["\\n])*")'
    r"|(?P<bare>[A-Za-z0-9_./$]+)"
    r"|(?P<mark>[{}();=,])",
    re.DOTALL,
)


def parse(text: str) -> Any:
    """Dictionaries, lists and strings; :class:`ValueError` for anything that is not whole, or a key given twice."""
    tokens = _tokens(text)
    value = _value(tokens)
    if tokens:
        raise ValueError(f"something follows the end: {tokens[-1]!r}")
    return value


def _tokens(text: str) -> list[str]:
    """The last one first."""
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            line = text.count("\n", 0, place) + 1
            raise ValueError(f"line {line}: {text[place : place + 20]!r} must be quoted, or is not known")
        place = match.end()
        if match.lastgroup != "skipped":
            found.append(match.group())
    return found[::-1]


def _value(tokens: list[str]) -> Any:
    token = tokens.pop()
    if token == "{":  # noqa: S105 - no password
        return _dictionary(tokens)
    if token == "(":  # noqa: S105
        return _list(tokens)
    return _string(token)


def _dictionary(tokens: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while (key := tokens.pop()) != "}":
        name = _string(key)
        if name in found:
            raise ValueError(f"{name} is given twice")
        _expect(tokens, "=")
        found[name] = _value(tokens)
        _expect(tokens, ";")
    return found


def _list(tokens: list[str]) -> list[Any]:
    found = []
    while tokens[-1] != ")":
        found.append(_value(tokens))
        if tokens[-1] != ")":
            _expect(tokens, ",")
    tokens.pop()
    return found


def _string(token: str) -> str:
    if token in "{}();=,":  # noqa: S105
        raise ValueError(f"{token!r} is where a name or a value belongs")
    if not token.startswith('"'):
        return token
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], token[1:-1])


def _expect(tokens: list[str], mark: str) -> None:
    if (token := tokens.pop()) != mark:
        raise ValueError(f"{token!r} is where {mark!r} belongs")


class Project:
    """The objects by their identifiers."""

    def __init__(self, path: Path) -> None:
        text = path.read_text("utf-8")
        if not text.startswith("// !$*UTF8*$!\n"):
            raise ValueError("Xcode's first line is missing")
        self.document = parse(text)
        self.objects: dict[str, dict[str, Any]] = self.document["objects"]
        self.root = self.objects[self.document["rootObject"]]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The objects of a kind."""
        return {name: value for name, value in self.objects.items() if value["isa"] == kind}

    def target(self, name: str) -> dict[str, Any]:
        return next(value for value in self.of("PBXNativeTarget").values() if value["name"] == name)

    def settings(self, owner: dict[str, Any], configuration: str) -> dict[str, str]:
        """The build settings of a target, or of the project, themselves."""
        names = self.objects[owner["buildConfigurationList"]]["buildConfigurations"]
        found = next(self.objects[name] for name in names if self.objects[name]["name"] == configuration)
        settings: dict[str, str] = found["buildSettings"]
        return settings

    def paths(self) -> dict[str, str]:
        """Where each file and folder is, relative to the project's folder, by identifier; products have no place."""
        found: dict[str, str] = {}
        self._walk(self.root["mainGroup"], "", found)
        return found

    def _walk(self, name: str, folder: str, found: dict[str, str]) -> None:
        item = self.objects[name]
        place = "/".join(part for part in (folder, item.get("path", "")) if part)
        if item["isa"] == "PBXGroup":
            for child in item["children"]:
                self._walk(child, place, found)
        elif item["sourceTree"] == "<group>":
            found[name] = place

    def references(self) -> list[tuple[str, str]]:
        """Every (identifier that refers, identifier that is referred to)."""
        found = [("rootObject", self.document["rootObject"])]
        for name, value in self.objects.items():
            found += [(name, other) for other in _identifiers(value)]
        return found


def _identifiers(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if re.fullmatch(r"[0-9A-F]{24}", value) else []
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return [name for part in parts for name in _identifiers(part)]


def xcconfig(text: str) -> dict[str, str]:
    """Build settings of a configuration file."""
    found = {}
    for line in text.splitlines():
        content = line.split("//")[0].strip()
        if content:
            name, _, value = content.partition("=")
            found[name.strip()] = value.strip()
    return found
