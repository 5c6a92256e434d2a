"""How every command reads the numbers among its options: as :mod:`cloformer.io.numbers` does, before typer, which takes
digits of any script, `nan` and `inf`."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING

from cloformer.errors import UsageError
from cloformer.io.numbers import finite, whole

from .wrong_usage import bad_number

if TYPE_CHECKING:
    from typer._click import Command, Context

__all__ = ["refuse_other_numbers"]

# By the option's type: how it is read.
_READ: dict[object, Callable[[str], float]] = {int: whole, float: finite}


def refuse_other_numbers(command: Command, ctx: Context, arguments: list[str]) -> None:
    """:class:`UsageError` for what is no number where ``command`` takes one."""
    if command.callback is None or ctx.resilient_parsing:
        return
    given = command.make_parser(ctx).parse_args(list(arguments))[0]
    taken = inspect.signature(command.callback, eval_str=True).parameters
    for parameter in command.params:
        text = given.get(parameter.name)
        read = _reader_of(taken[parameter.name].annotation) if parameter.name in taken else None
        if read is None or not isinstance(text, str):
            continue
        try:
            read(text)
        except ValueError:
            raise UsageError(*bad_number(parameter, text, command.name or "")) from None


def _reader_of(annotation: object) -> Callable[[str], float] | None:
    """How an option that takes a number is read; None for any other."""
    hint = typing.get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
    return next((read for kind, read in _READ.items() if kind in (hint, *typing.get_args(hint))), None)
