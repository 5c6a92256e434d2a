"""`--help`, and what is said to a name that does not exist: commands by what one wants to do, options by what they are for,
examples that can be typed as they stand.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from typer.core import TyperCommand, TyperGroup

from cloformer.errors import UsageError
from cloformer.io.colour import painted
from cloformer.io.near import closest
from cloformer.io.output import width

from .completion import install
from .examples import EXAMPLES
from .numbers import refuse_other_numbers
from .option_table import GROUPS, OUTPUT, Row, row_of
from .wrong_usage import argument_name

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter
    from typer._click.core import Parameter

__all__ = ["COMMANDS", "Commands", "OneCommand"]

# What one wants to do, in the order in which one does it.
COMMANDS = {
    "Export a model": ("models", "export", "spec", "inspect", "predict"),
    "Prove that the export is the model": ("parity", "lint", "evaluate"),
    "Measure how fast it is": ("bench", "compare", "profile", "pareto"),
    "Bring it to a phone": ("bundle", "serve", "import-device-report"),
    "Train": ("train", "prune", "hub"),
    "Look after the installation": ("doctor",),
}

_ELSEWHERE, _WIDEST = 80, 100  # columns: where there is no terminal, and at most
_SMALL = 72
_NO_BREAK = "\u00a0"
_COLUMN = 28  # an option that is longer has its words on the next line


class OneCommand(TyperCommand):
    """A command whose help is laid out here, and whose numbers are written in the digits 0 to 9."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        args = _with_values(self.name or "", args)
        refuse_other_numbers(self, ctx, args)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        lines = [_usage(ctx, self), "", *_said(self), *_examples(self.name or ""), *_arguments(self, ctx)]
        formatter.write("\n".join(painted([*lines, *_options(self, ctx)])) + "\n")


def _with_values(command: str, arguments: Sequence[str]) -> list[str]:
    """The words with its value behind each option that may stand alone and does."""
    found: list[str] = []
    for word, following in zip(arguments, [*arguments, ""][1:], strict=True):
        row = row_of(command, word)
        stands_alone = row is not None and row.alone and following not in row.alone
        found.append(f"{word}={row.alone[0]}" if row is not None and stands_alone else word)
    return found


class Commands(TyperGroup):
    """All commands: their help, what is said where one is misspelt, and what installs completion."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        found = super().get_params(ctx)
        for item in found:
            if "--install-completion" in item.opts:
                item.callback = install
        return found

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        lines = [_usage(ctx, self), "", *_said(self), *_examples("")]
        rows = {
            title: [(name, _first_sentence(self.commands[name])) for name in names]
            for title, names in COMMANDS.items()
        }
        lines += [*_grouped(rows), ""]
        lines += _options(self, ctx)
        formatter.write("\n".join(painted([*lines, "", *_end()])) + "\n")

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        name, *rest = args
        if name not in self.commands and not ctx.resilient_parsing:
            raise _unknown(name, rest, list(self.commands))
        return super().resolve_command(ctx, args)


def _unknown(name: str, rest: Sequence[str], known: Sequence[str]) -> UsageError:
    """The error for a command that does not exist, with what was probably meant as it is typed."""
    if name == "help":
        whole = ["cloformer", *(word for word in rest[:1] if word in known), "--help"]
        return UsageError("help is an option, not a command", f"type `{' '.join(whole)}`")
    if name == "version":
        return UsageError("version is an option, not a command", "type `cloformer --version`")
    near = closest(name, known)
    if near is None:
        return UsageError(f"unknown command {name!r}", "`cloformer --help` lists the commands")
    return UsageError(
        f"unknown command {name!r}. Did you mean {near}?", f"`cloformer {near} --help` says what it does"
    )


def _usage(ctx: Context, command: Command) -> str:
    taken = [item for item in command.params if item.param_type_name == "argument"]
    words = [_argument(item) if item.required else f"[{_argument(item)}]" for item in taken]
    return " ".join(
        ["Usage:", ctx.command_path, *(["COMMAND"] if isinstance(command, Commands) else words), "[OPTIONS]"]
    )


def _said(command: Command) -> Iterator[str]:
    """The docstring's paragraphs, wrapped."""
    for paragraph in (command.help or "").strip().split("\n\n"):
        yield from _wrapped(" ".join(paragraph.split()), "")
        yield ""


def _first_sentence(command: Command) -> str:
    said = " ".join((command.help or "").split())
    return f"{said.split('. ')[0].rstrip('.')}."


def _examples(name: str) -> Iterator[str]:
    yield "Examples:"
    for what, line in EXAMPLES[name]:
        yield from _wrapped(f"# {what}", "  ", after="  # ")
        yield f"  {line}"
    yield ""


def _arguments(command: Command, ctx: Context) -> Iterator[str]:
    found = [item for item in command.get_params(ctx) if item.param_type_name == "argument"]
    if found:
        yield from _grouped({"Arguments": [(_argument(item), _words(item, Row(""))) for item in found]})
        yield ""


def _argument(item: Parameter) -> str:
    name = argument_name(item)
    return f"{name}..." if item.nargs == -1 else name


def _options(command: Command, ctx: Context) -> Iterator[str]:
    """The options in their groups. One that has no row yet stands in the last."""
    groups: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for item in command.get_params(ctx):
        if item.param_type_name == "option" and not getattr(item, "hidden", False):
            row = row_of(command.name or "", item.opts[0]) or Row(OUTPUT)
            groups[row.group].append((_spelt(item, row), _words(item, row)))
    yield from _grouped({group: rows for group, rows in groups.items() if rows})


def _spelt(item: Parameter, row: Row) -> str:
    """``-h, --help``, ``--opset N``, ``--layout / --no-layout``."""
    flags = ", ".join(sorted(item.opts, key=len))
    if item.secondary_opts:
        return f"{flags} / {', '.join(item.secondary_opts)}"
    return f"{flags} {row.value}".rstrip()


def _words(item: Parameter, row: Row) -> str:
    """Its own words, and what holds without it."""
    words = [getattr(item, "help", None) or ""]
    default = item.default
    if item.required:
        words.append("[needed]")
    elif item.secondary_opts:
        words.append(f"[default: {(item.opts if default else item.secondary_opts)[0]}]")
    elif not getattr(item, "is_flag", False):
        said = getattr(item, "show_default", None)
        shown = said if isinstance(said, str) else row.without if default is None else str(default)
        words += [f"[default: {shown}]"] if shown else []
    return " ".join(filter(None, words))


def _end() -> Iterator[str]:
    yield from _wrapped("`cloformer COMMAND --help` shows a command's options and examples.", "")


def _grouped(groups: Mapping[str, Sequence[tuple[str, str]]]) -> Iterator[str]:
    """Each title with its rows, in two columns; where the left one is too wide for it, the right one begins below."""
    widest = 22 if _width() < _SMALL else _COLUMN
    lefts = [len(left) for rows in groups.values() for left, _ in rows if len(left) <= widest]
    column = max(lefts, default=widest) + 2
    for index, (title, rows) in enumerate(groups.items()):
        yield from [""] if index else []
        yield f"{title}:"
        for left, right in rows:
            first, *rest = _wrapped(right, "", _width() - column - 2) or [""]
            if len(left) < column - 1:
                yield f"  {left:<{column}}{first}".rstrip()
            else:
                yield from (f"  {left}", f"  {'':<{column}}{first}".rstrip())
            yield from (f"  {'':<{column}}{line}" for line in rest)


def _wrapped(text: str, before: str, width: int | None = None, after: str | None = None) -> list[str]:
    columns = width or _width()
    held = re.sub(
        r"\[[^]]*\]", lambda found: _in_one(found[0]) if len(found[0]) <= columns else found[0], text
    )
    lines = textwrap.wrap(
        held,
        columns,
        initial_indent=before,
        subsequent_indent=before if after is None else after,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]


def _in_one(words: str) -> str:
    """What is told of a default stays on one line."""
    return words.replace(" ", _NO_BREAK)


def _width() -> int:
    return min(width(_ELSEWHERE), _WIDEST)
