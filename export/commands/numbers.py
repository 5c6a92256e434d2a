"""How every command reads the numbers among its options: as :mod:`cloformer.io.numbers` does, before Typer, which takes
digits of any script, `nan` and `inf`."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable

import typer
from typer.core import TyperCommand

from cloformer.errors import UsageError
from cloformer.io.numbers import finite, whole

__all__ = ["read_numbers"]

# By the option's type: how it is read, what it is called, and one to type.
_KINDS: dict[object, tuple[Callable[[str], float], str, str]] = {
    int: (whole, "whole number", "16"),
    float: (finite, "finite number", "0.5"),
}


def read_numbers(app: typer.Typer) -> None:
    """Let the commands of ``app`` refuse, with :class:`UsageError`, what is no number where they take one."""
    for command in app.registered_commands:
        command.cls = _Command


class _Command(TyperCommand):
    def parse_args(self, ctx: object, args: list[str]) -> list[str]:  # Typer's versions differ in its class
        if self.callback is not None and not getattr(ctx, "resilient_parsing", False):
            given = self.make_parser(ctx).parse_args(list(args))[0]  # type: ignore[arg-type]
            taken = inspect.signature(self.callback, eval_str=True).parameters
            for parameter in self.params:
                text = given.get(parameter.name)
                kind = _kind_of(taken[parameter.name].annotation) if parameter.name in taken else None
                if kind is not None and isinstance(text, str):
                    _check(parameter.opts[0], text, kind)
        return super().parse_args(ctx, args)  # type: ignore[arg-type]


def _kind_of(annotation: object) -> object:
    """int or float, where an option takes one."""
    hint = typing.get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
    return next((kind for kind in _KINDS if kind in (hint, *typing.get_args(hint))), None)


def _check(option: str, text: str, kind: object) -> None:
    read, what, example = _KINDS[kind]
    try:
        read(text)
    except ValueError:
        raise UsageError(
            f"{option} {text[:80]!r} is no {what} in the digits 0 to 9", f"for instance {option} {example}"
        ) from None
