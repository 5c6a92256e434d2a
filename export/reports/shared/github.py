"""What GitHub Actions reads: workflow commands, and the place of a line in the checkout."""

from __future__ import annotations

from pathlib import Path

from cloformer.io.numbers import whole

from .words import plain

__all__ = ["command", "place_of", "source_of"]


def command(kind: str, message: str, **properties: str) -> str:
    """A workflow command: an ``error``, a ``warning`` or a ``notice``."""
    listed = ",".join(f"{key}={_property(plain(value))}" for key, value in properties.items())
    return f"::{kind} {listed}::{_message(plain(message))}\n"


def place_of(location: str, root: Path | None) -> dict[str, str]:
    """The properties of a command that put it beside its line, if the module is a file below ``root``; none otherwise."""
    source = source_of(location)
    if source is None or root is None or not (root / source[0]).is_file():
        return {}
    return {"file": source[0], "line": str(source[1])}


def source_of(location: str) -> tuple[str, int] | None:
    """``package/module.py`` and the line of ``package.module:Class:line``; None if it does not say a line."""
    module, _, rest = location.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        return None
    try:
        return module.replace(".", "/") + ".py", whole(rest.rpartition(":")[2], 0)
    except ValueError:
        return None


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
