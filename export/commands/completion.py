"""Completion in the shell: what an option may be, and where `--install-completion` writes.

typer makes the scripts for bash, zsh and fish. They are put into the user's home here, and nowhere else: never through a link
that leaves it, and no setting of a shell is changed beside the line that loads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cloformer.errors import InputError, UsageError
from cloformer.io.output import say
from cloformer.io.read import read_text
from cloformer.io.write import write_whole
from cloformer.variants import list_built_in

if TYPE_CHECKING:
    from typer._click import Context
    from typer._click.core import Parameter

__all__ = ["checkpoints", "install", "keys_and_files", "models_and_files", "settings"]

_NAME, _VARIABLE = "cloformer", "_CLOFORMER_COMPLETE"
_ADVICE = "`cloformer --show-completion` prints the script: put it where you like"
_LONGEST = 2**22  # bytes of a shell's start file


@dataclass(frozen=True)
class _Shell:
    """Where its script goes, below the home, and the line of its start file that loads it; None if it looks there itself."""

    script: str
    start_file: str | None = None
    line: str = ""
    more: str = ""  # of the script, behind typer's


# bash ends a word at a colon, as in timm:resnet18 and nets.py:build; here such parts are one word again, and what is offered
# is what comes behind the last colon.
_BASH_COLONS = r"""
_cloformer_words() {
    local word words=()
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -gt 0 && ( $word == :* || ${words[-1]} == *: ) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1)) typed=${words[-1]}
    _cloformer_completion "$@"
    if [[ $typed == *:* ]]; then COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*:}"}"}"); fi
}
complete -o default -F _cloformer_words cloformer
"""

_SHELLS: Mapping[str, _Shell] = {
    "bash": _Shell(
        ".bash_completions/cloformer.sh",
        ".bashrc",
        "source ~/.bash_completions/cloformer.sh",
        _BASH_COLONS,
    ),
    "zsh": _Shell(".zfunc/_cloformer", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
    "fish": _Shell(".config/fish/completions/cloformer.fish"),
}


def install(ctx: Context, param: Parameter, wanted: bool) -> bool:
    """`--install-completion`: write the script of the shell that this runs in, and say so.

    Raises :class:`UsageError` for another shell, and :class:`InputError` for a place that cannot be written or lies outside the
    user's home.
    """
    if wanted and not ctx.resilient_parsing:
        _install(_shell_here())
    return wanted


def _install(name: str) -> NoReturn:
    from typer import Exit
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it is, in every version

    shell, home = _SHELLS[name], Path.home()
    script = _inside(home, shell.script)
    begun = None if shell.start_file is None else _inside(home, shell.start_file)
    made = get_completion_script(prog_name=_NAME, complete_var=_VARIABLE, shell=name)
    write_whole(script, f"{made}\n{shell.more}", _ADVICE)
    if begun is not None:
        before = read_text(begun, _LONGEST, _ADVICE) if begun.exists() else ""
        if shell.line not in before.splitlines():
            write_whole(begun, f"{before.rstrip()}\n{shell.line}\n".lstrip("\n"), _ADVICE)
    say(
        f"completion for {name}: {script}",
        "  next: open a new terminal, and type cloformer, a space and the tab key",
    )
    raise Exit()


def _inside(home: Path, place: str) -> Path:
    """A place in the home, with its links followed: :class:`InputError` if they leave it."""
    found, root = (home / place).resolve(), home.resolve()
    if root not in found.parents:
        raise InputError(
            f"{home / place} leads to {found}, outside of {root}",
            _ADVICE,
        )
    return found


def _shell_here() -> str:
    """The shell that this runs in, or the user's."""
    import shellingham

    try:
        name = shellingham.detect_shell()[0]
    except (shellingham.ShellDetectionFailure, OSError):
        name = Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        raise UsageError(
            f"completion is installed for {', '.join(_SHELLS)}, and this is {name or 'no shell that is known'}",
            "`bash -c 'cloformer --install-completion'` installs it for bash",
        )
    return str(name)


def checkpoints(incomplete: str) -> list[str]:
    """The weights in the box, checkpoints, and the folders on the way to them."""
    from cloformer.weights import shipped_weights

    return [
        *shipped_weights(),
        *_paths(incomplete, lambda path: path.suffix in (".safetensors", ".pth", ".pt")),
    ]


def keys_and_files(incomplete: str) -> list[str]:
    """The keys of the file of `--spec`, and such files."""
    from ..source.spec_keys import key_names

    return [*key_names(), *_paths(incomplete, lambda path: path.suffix == ".toml")]


def settings() -> list[str]:
    """The names of a recipe's numbers, as `--set` takes them."""
    from cloformer.training.recipe import RULES

    return [f"{name}=" for name in RULES]


def models_and_files(incomplete: str) -> list[str]:
    """The built-in models, Python files, which hold networks of the user's, and the libraries that are installed; after
    a library's name and its colon, the models that it has."""
    from ..source.libraries.installed import libraries, models_of

    library, colon, begun = incomplete.partition(":")
    if colon and library in libraries():
        folders = _paths(begun, lambda path: path.is_dir()) if library == "hf" else []
        return [f"{library}:{name}" for name in (*models_of(library), *folders)]
    others = [f"{name}:" for name in libraries()]
    return [*list_built_in(), *others, *_paths(incomplete, lambda path: path.suffix == ".py")]


def _paths(begun: str, wanted: Callable[[Path], bool]) -> list[str]:
    """Files that are wanted, and all folders, that begin so; as they would be typed on."""
    folder, _, start = begun.rpartition("/")
    place = Path(folder or ("/" if begun.startswith("/") else ".")).expanduser()
    try:
        found = [path for path in sorted(place.iterdir()) if path.name.startswith(start or "")]
    except OSError:
        return []
    before = begun[: len(begun) - len(start)]
    return [
        before + path.name + "/" * path.is_dir()
        for path in found
        if (path.is_dir() and not path.name.startswith(".")) or wanted(path)
    ]
