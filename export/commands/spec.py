"""`cloformer spec`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloformer.errors import InputError, UsageError
from cloformer.io.output import say, say_json

from .completion import keys_and_files
from .options import Debug, Json

__all__ = ["spec"]

_NAME = Path("model.toml")


def spec(
    file: Annotated[
        Path | None,
        typer.Argument(
            help=f"With --init, the file to write: {_NAME} if not given. Else one to check, or a key to explain.",
            autocompletion=keys_and_files,
        ),
    ] = None,
    init: Annotated[
        bool, typer.Option("--init", help="Write an example with comments, to be edited.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --init, replace a file that is there.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what the TOML file of --spec may say of a model of yours, write one to begin with, or check one."""
    if force and not init:
        raise UsageError("--force is for --init", "add --init or leave --force out")
    if init:
        _write(file or _NAME, force=force, as_json=as_json)
    elif file is not None and _is_key(file):
        _document(as_json=as_json, only=str(file))
    elif file is not None:
        _check(file, as_json=as_json)
    else:
        _document(as_json=as_json)


def _is_key(file: Path) -> bool:
    from ..source.spec_keys import key_names

    return str(file) in key_names() and not file.exists()


def _document(*, as_json: bool, only: str | None = None) -> None:
    from ..reports.spec import text

    if as_json:
        say_json(text.documented_json())
    else:
        say(*text.documented(only))


def _write(path: Path, *, force: bool, as_json: bool) -> None:
    from cloformer.io.write import write_whole

    from ..source.spec_keys import example

    if not force and (path.exists() or path.is_symlink()):
        raise InputError(f"{path} is there already", "give another name, or --force to replace it")
    write_whole(path, example(), "give another name")
    if as_json:
        say_json({"file": str(path)})
        return
    say(f"{path}: edit it; `cloformer spec` says what each key means")
    say(f"  next: cloformer export --model nets.py:build --spec {path} --dry-run")


def _check(path: Path, *, as_json: bool) -> None:
    from ..reports.spec import text
    from ..source.spec import read_spec

    found = read_spec(path)
    if as_json:
        inputs, rules = found.inputs((224, 224), 1, given_size=False)
        say_json(
            {
                "inputs": [item.to_json() for item in inputs],
                "preprocessing": {name: rule.to_json() for name, rule in rules.items()},
                "outputs": list(found.outputs),
                "labels": None if found.labels is None else list(found.labels),
                "labels_of": found.labels_of,
                "metadata": dict(found.metadata),
            }
        )
        return
    say(*text.checked(str(path), found))
