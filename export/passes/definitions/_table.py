"""The table that the files here enter their functions in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["DEFINITIONS", "defines"]

F = TypeVar("F", bound=Callable[..., Any])
DEFINITIONS: dict[object, Callable[..., Any]] = {}


def defines(*targets: object) -> Callable[[F], F]:
    """Enter a function in the table, for every operator among ``targets``."""

    def enter(function: F) -> F:
        DEFINITIONS.update(dict.fromkeys(targets, function))
        return function

    return enter
