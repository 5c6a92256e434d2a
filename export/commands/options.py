"""Options that every command has, and those of the formats."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, TypeVar

import typer

from cloformer.errors import UsageError
from cloformer.io.numbers import bytes_in, whole

from ..formats import FORMATS
from ..formats.row import Option
from ..latency.protocol import MAX_THREADS

__all__ = [
    "Debug", "Json", "MaxPartitions", "MaxSize", "MaxUndelegated", "MaxWork", "Quiet", "Threads", "parse_bytes", "parse_size",
    "with_format_options",
]  # fmt: skip

_MOST_PIXELS = 99_999  # of a side

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else there.")
]
MaxWork = Annotated[
    int,
    typer.Option(
        min=0,
        help="Refuse a model that takes more multiply-adds for an inference than this; 0: compute as long as it takes.",
    ),
]
Threads = Annotated[
    int, typer.Option(min=0, max=MAX_THREADS, help="Threads of the runtime; 0: its own choice.")
]
MaxSize = Annotated[
    str | None, typer.Option(help="Exit 1 if the model's files have more bytes, as 5MB or 4.5MiB.")
]
MaxPartitions = Annotated[
    int | None,
    typer.Option(min=0, help="Exit 1 if the runtime's delegate takes the graph in more pieces."),
]
MaxUndelegated = Annotated[
    int | None, typer.Option(min=0, help="Exit 1 if the runtime's delegate leaves more operators.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of how far it is on standard error.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]


def parse_bytes(text: str | None) -> int | None:
    """The bytes of ``--max-size``; None of None. :class:`UsageError` for what is no size."""
    try:
        return None if text is None else bytes_in(text)
    except ValueError:
        raise UsageError(f"--max-size {text!r} is no size", "--max-size takes 5MB, 4.5MiB or 300kB") from None


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of ``224`` or ``HEIGHTxWIDTH``; :class:`UsageError` for anything else."""
    try:
        sizes = [whole(part, 1, _MOST_PIXELS) for part in text.lower().split("x", 2)]
    except ValueError:
        sizes = []
    if len(sizes) not in (1, 2):
        numbers = re.findall("[1-9][0-9]{0,3}", text)[:2] or ["224"]
        raise UsageError(
            f"image size {text!r} is not a size",
            f"--image-size takes 224 or HEIGHTxWIDTH; for example --image-size {'x'.join(numbers)}",
        )
    return sizes[0], sizes[-1]


def _completion(option: Option) -> Callable[[], list[str]]:
    return lambda: list(option.choices)


def _of_all_formats() -> list[Option]:
    """The options of every format's row, each once by its name. Where formats mean their own by one flag, it has the choices of
    all, and says whose each is."""
    owners: dict[str, dict[str, Option]] = {}
    for row in FORMATS.values():
        for option in row.options:
            owners.setdefault(option.name, {})[row.title] = option
    return [_of_several(found) for found in owners.values()]


def _of_several(owners: Mapping[str, Option]) -> Option:
    first, *others = owners.values()
    if all(option == first for option in others):
        return first
    return replace(
        first,
        help=" ".join(f"{title}: {option.help}" for title, option in owners.items()),
        choices={name: name for option in owners.values() for name in option.choices},
        default="; ".join(f"{title}: {option.default}" for title, option in owners.items()),
    )


_Command = TypeVar("_Command", bound=Callable[..., None])


def with_format_options(command: _Command) -> _Command:
    """Give ``command``, in the place of its ``**options``, the options of every format's row, each once, by their names."""
    signature = inspect.signature(command, eval_str=True)
    named = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    option.flag,
                    help=option.help,
                    show_default=option.default,
                    autocompletion=_completion(option),
                ),
            ],
        )
        for option in _of_all_formats()
    ]
    command.__annotations__ |= {each.name: each.annotation for each in added}
    command.__signature__ = signature.replace(parameters=[*named, *added])  # type: ignore[attr-defined]
    return command
