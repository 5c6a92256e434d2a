"""What is said of words that the parser of the command line does not take: what is wrong, and what to type instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from cloformer.io.near import closest

from .examples import EXAMPLES
from .option_table import row_of

if TYPE_CHECKING:
    from typer._click import Command, Context
    from typer._click.core import Parameter

__all__ = ["ParserError", "argument_name", "bad_number", "usage_lines"]

_WHOLE = ("N",)  # what the table of options calls a whole number; another number is a share, seconds or times


class ParserError(Protocol):
    """What all errors of typer's parser have. Others have more, which is looked for by name: ``param``, ``option_name``."""

    message: str
    ctx: Context | None

    def format_message(self) -> str: ...


def usage_lines(
    error: ParserError, arguments: Sequence[str], commands: Mapping[str, Command]
) -> tuple[str, str]:
    """The two lines of an error: what is wrong, and what to do. ``commands`` are all, by name: an option may be another's."""
    command = _command_of(error, arguments, commands)
    if command is None:
        return " ".join(error.format_message().split()), "`cloformer --help` lists the commands"
    path = "cloformer" if command.name not in commands else f"cloformer {command.name}"
    ask = f"`{path} --help` lists what it takes"
    param = cast("Parameter | None", getattr(error, "param", None))
    option = cast("str | None", getattr(error, "option_name", None))
    if param is not None and type(error).__name__ == "MissingParameter":
        needed = _named(param, command.name or "")
        return f"{path} needs {needed}", f"for example: {EXAMPLES[command.name or ''][0][1]}"
    if param is not None:
        return bad_number(param, _value_of(param.opts, arguments), command.name or "")
    if option is not None and type(error).__name__ == "NoSuchOption":
        return _no_option(_typed(option, arguments), path, command, commands)
    if option is not None:
        return _bad_option(option, path, command)
    if (extra := getattr(error, "message", "")).startswith("Got unexpected extra argument"):
        words = extra.replace("(s)", "").partition("(")[2].rstrip(")")
        taken = [_named(item, "") for item in command.params if item.param_type_name == "argument"]
        return f"{path} takes {' and '.join(taken) or 'options alone'}, and {words!r} is more", ask
    return " ".join(error.format_message().split()), ask


def _command_of(
    error: ParserError, arguments: Sequence[str], commands: Mapping[str, Command]
) -> Command | None:
    """The command that the error is about: some of the parser's errors do not say."""
    if error.ctx is not None:
        return error.ctx.command
    return next((commands[word] for word in arguments if word in commands), None)


def argument_name(param: Parameter) -> str:
    """As help and errors call an argument: ARTIFACT."""
    return (param.metavar or param.name or "").strip("[]").upper()


def _named(param: Parameter, command: str) -> str:
    """ARTIFACT, or --data FOLDER: as it is typed."""
    if param.param_type_name == "argument":
        return argument_name(param)
    row = row_of(command, param.opts[0])
    return f"{param.opts[0]} {row.value if row else ''}".rstrip()


def bad_number(param: Parameter, value: str, command: str) -> tuple[str, str]:
    """The two lines about ``value``, which was given to ``param`` of ``command`` and is no number that it takes."""
    flag = param.opts[0] if param.param_type_name == "option" else argument_name(param)
    row = row_of(command, flag)
    whole = row is None or row.value in _WHOLE
    low, high = _bounds(param)
    lowest, highest = f"{low:g}" if low is not None else "", f"{high:g}" if high is not None else ""
    span = f" from {lowest}" * bool(lowest) + (f" to {highest}" if highest else " on" * bool(lowest))
    default = param.default if isinstance(param.default, (int, float)) else None
    sample = low or (high if high is not None else 1) if default is None else default
    return (
        f"{flag} takes a {'whole ' * whole}number{span}, and not {value!r}",
        f"for example: {flag} {sample:g}" if sample < 1e6 else f"for example: {flag} {sample:.0f}",
    )


def _bounds(param: Parameter) -> tuple[float | None, float | None]:
    """The lowest and the highest number that an option takes; None where there is no end."""
    holder = param if hasattr(param, "min") else getattr(param, "type", None)
    return getattr(holder, "min", None), getattr(holder, "max", None)


def _value_of(flags: Iterable[str], arguments: Sequence[str]) -> str:
    """What was typed as the value of an option."""
    for index, word in enumerate(arguments):
        flag, equals, value = word.partition("=")
        if flag in flags:
            return value if equals else "".join(arguments[index + 1 : index + 2])
    return ""


def _typed(option: str, arguments: Sequence[str]) -> str:
    """The option as it was typed: of ``-format`` the parser names the first letter."""
    if option.startswith("--"):
        return option
    return next((word for word in arguments if word.startswith(option)), option)


def _no_option(typed: str, path: str, command: Command, commands: Mapping[str, Command]) -> tuple[str, str]:
    own = _flags(command)
    near = closest(typed, own)
    first = f"{path} has no option {typed}"
    if near is not None:
        return f"{first}. Did you mean {near}?", f"`{path} --help` says what {near} does"
    if typed.startswith("--no-") and (flag := f"--{typed[5:]}") in own:
        return first, f"leave {flag} out"
    owners = [name for name, other in commands.items() if typed in _flags(other)]
    if owners:
        first += f"; {', '.join(owners)} {'has' if len(owners) == 1 else 'have'} one"
    return first, f"`{path} --help` lists its options"


def _bad_option(option: str, path: str, command: Command) -> tuple[str, str]:
    """A value that is missing, or one too many."""
    found = next((item for item in command.params if option in item.opts + item.secondary_opts), None)
    ask = f"`{path} --help` says what it does"
    if found is None or getattr(found, "is_flag", False):
        return f"{option} takes no value", f"give {option} alone, or leave it out"
    return f"{option} needs a value: {_named(found, command.name or '')}", ask


def _flags(command: Command) -> list[str]:
    return [flag for item in command.params for flag in item.opts + item.secondary_opts if flag[:1] == "-"]
