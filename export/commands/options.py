"""Options that every command has, and the one way to print JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

__all__ = ["Debug", "Json", "print_json"]

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else there.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]


def print_json(document: Any) -> None:
    """One document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False))
