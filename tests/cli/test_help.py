"""The way in: `cloformer` alone, each command's help, and completion as shells run it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
from outcome import Command

from cloformer.cli import app
from cloformer.export.commands import option_table
from cloformer.export.commands.examples import EXAMPLES
from cloformer.export.commands.help import COMMANDS, Commands
from cloformer.io import colour

GROUP = typer.main.get_command(app)
assert isinstance(GROUP, Commands)
NAMES = tuple(GROUP.commands)


def test_cloformer_alone_is_its_help(command: Command) -> None:
    shown = command()
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == command("--help").out
    assert "..." not in shown.out  # sentences are whole
    assert sorted(name for names in COMMANDS.values() for name in names) == sorted(NAMES)
    places = [shown.out.index(f"\n  {name} ") for names in COMMANDS.values() for name in names]
    assert places == sorted(places)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_its_group_and_says_what_holds_without_it(command: Command, name: str) -> None:
    shown = " ".join(command(name, "--help").out.split())
    assert 1 <= len(EXAMPLES[name]) <= 3
    assert all(line in shown for _, line in EXAMPLES[name])
    for item in GROUP.commands[name].params:
        row = option_table.row_of(name, item.opts[0])
        if item.param_type_name == "argument":
            continue
        assert row is not None, f"{item.opts[0]} has no row"
        words = " ".join((getattr(item, "help", None) or "").split())
        is_flag = getattr(item, "is_flag", False) and not item.secondary_opts
        assert words, item.opts[0]
        assert is_flag or f"{words} [default: " in shown or f"{words} [needed]" in shown, item.opts[0]


def test_no_row_is_left_of_an_option_that_is_gone() -> None:
    flags = {(name, flag) for name in NAMES for item in GROUP.commands[name].params for flag in item.opts}
    known = {flag for _, flag in flags} | {"--help", "--version", "--install-completion", "--show-completion"}
    for key in option_table._ROWS:
        name, _, flag = key.rpartition(" ")
        assert (name, flag) in flags if name else flag in known, key


@pytest.mark.parametrize("columns", [60, 100, 140])
def test_help_is_as_wide_as_the_terminal(
    command: Command, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    from cloformer.export.commands import help as laid_out

    monkeypatch.setattr(laid_out, "width", lambda _: columns)
    examples = {f"  {line}" for lines in EXAMPLES.values() for _, line in lines}
    for name in ("", *NAMES):
        lines = command(*filter(None, [name]), "--help").out.splitlines()
        assert [line for line in lines if len(line) > columns and line not in examples] == []


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variable", "is_painted"), [(None, True), ("NO_COLOR", False)])
def test_colours_are_for_terminals_that_show_them(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, is_painted: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    lines = ["error: it FAILs", "  next: cloformer parity build/x", "plain"]
    assert colour.painted(lines) == lines  # the tests' own output is no terminal
    monkeypatch.setattr("sys.stdout", _Terminal())
    colour._console.cache_clear()
    painted = colour.painted(lines)
    colour._console.cache_clear()
    assert painted[2] == "plain"
    assert (painted != lines) is is_painted
    assert ("\x1b[" in painted[0]) is is_painted


# A line as it is begun, and what must be among the words that the shell offers.
_BEGUN = {
    "cloformer par": {"parity"},
    "cloformer export --format ": {"onnx", "coreml"},
    "cloformer export --opset 2": {"20", "21", "22", "23"},
    "cloformer export --target ios1": {"ios16", "ios17", "ios18"},
    "cloformer export --weights fa": {"fashion-mnist"},
    "cloformer parity x --runner ": {"onnxruntime", "mil", "pytorch"},
    "cloformer bench x --preset ": {"normal", "quick", "rapid"},
    "cloformer train --recipe ": {"paper", "finetune", "quick"},
    "cloformer train --set ep": {"epochs="},
    "cloformer bundle ": {"android", "ios", "web"},
    "cloformer bundle web x --provider ": {"wasm", "webgpu"},
    "cloformer bundle android x --runtime ": {"onnxruntime", "litert", "executorch"},
    "cloformer spec me": {"mean"},
}


def _offered(shell: str, begun: str, script: Path, folder: Path) -> set[str]:
    """What the shell itself is offered, by the script that is installed for it."""
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
    words = begun.split(" ")
    if shell == "bash":
        quoted = " ".join(f"'{word}'" for word in words)
        line = (
            f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
            '_cloformer_completion cloformer; printf "%s\\n" "${COMPREPLY[@]}"'
        )
    elif shell == "zsh":
        array = " ".join(f"'{word}'" for word in words)
        line = (
            f'compdef() {{ }}; _arguments() {{ print -r -- "$@"; }}; _files() {{ }}; source {script}; '
            f"words=({array}); CURRENT={len(words)}; _cloformer_completion"
        )
    else:
        line = f"source {script}; complete -C '{begun}'"
    done = subprocess.run([shell, "-c", line], capture_output=True, text=True, env=environment, check=False)
    found = done.stdout.replace('"', " ").replace("(", " ").replace(")", " ").replace("\t", " ")
    return {word.partition(":")[0] if shell == "zsh" else word for word in found.split()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_what_has_a_list(tmp_path: Path, python: str, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    program = tmp_path / "cloformer"
    program.write_text(f'#!/bin/sh\nexec {python} -m cloformer "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "script"
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    environment["_CLOFORMER_COMPLETE"] = f"source_{shell}"
    source = subprocess.run([program], capture_output=True, text=True, env=environment, check=True).stdout
    script.write_text(source)
    for begun, expected in _BEGUN.items():
        assert expected <= _offered(shell, begun, script, tmp_path), begun


def test_bash_completes_behind_a_colon(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    """It ends a word there: the installed script puts the parts together, and offers what comes behind."""
    import shellingham

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("bash", "bash"))
    assert command("--install-completion").code == 0
    (tmp_path / "downloads").mkdir()
    (tmp_path / "cloformer").write_text(f'#!/bin/sh\nexec {python} -m cloformer "$@"\n')
    (tmp_path / "cloformer").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for words, offered in {
        "cloformer export --model hf : down": "downloads/",
        "cloformer export hf :": "downloads/",
        "cloformer par": "parity",
    }.items():
        line = (
            f"source ~/.bash_completions/cloformer.sh; COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; "
            '_cloformer_words cloformer; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert offered in done.stdout.split(), (words, done)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_in_the_home_and_nowhere_else(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    import shellingham

    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(shellingham, "detect_shell", lambda: (shell, shell))
    (home / ".bashrc").write_text("alias ll='ls -l'\n")
    for _ in range(2):  # the second changes nothing
        shown = command("--install-completion")
        assert shown.code == 0, shown.err
    written = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    start = {"bash": ".bashrc", "zsh": ".zshrc"}.get(shell)
    assert len(written - {".bashrc", ".zshrc"}) == 1
    assert (
        start is None or (home / start).read_text().count("cloformer" if shell == "bash" else ".zfunc") == 1
    )
    assert "alias ll" in (home / ".bashrc").read_text()
    for name in (".bash_completions", ".zfunc", ".config"):
        shutil.rmtree(home / name, ignore_errors=True)
        (home / name).symlink_to(outside)
    shown = command("--install-completion")
    assert (shown.code, "outside of" in shown.err) == (3, True)
    assert list(outside.iterdir()) == []
