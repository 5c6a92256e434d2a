"""Standard output that takes no more, signals at any time, and words that would steer whoever reads them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from outcome import Command, Outcome

BEGIN = "import sys; sys.argv[0] = 'cloformer'\nfrom cloformer.__main__ import run\n"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")


def _run(shell: str, *arguments: str | Path, environment: Mapping[str, str], code: str = "") -> Outcome:
    """``cloformer`` in a process of its own; ``shell`` says where its outputs go, ``code`` comes before it."""
    program = [sys.executable, "-c", f"{BEGIN}{code}\nrun()", *map(str, arguments)]
    command = ["sh", "-c", f'"$@" {shell}', "sh", *program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "Traceback" not in done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["inspect", "/nowhere", "--json"]])
def test_nobody_reads_standard_output(
    arguments: list[str], subprocess_environment: Mapping[str, str], tmp_path: Path
) -> None:
    """Closed from the beginning, or its reader has gone; neither is a gate that failed."""
    assert _run(">&-", *arguments, environment=subprocess_environment).code == 141
    gone, status = tmp_path / "gone", tmp_path / "code"
    os.mkfifo(gone)
    # The reader ends before a line is written: it waits for the pipe to be opened, and no longer.
    shell = f'>"{gone}" & : < "{gone}"; wait $!; echo $? > "{status}"'
    slowly = "import time; time.sleep(0.5)"
    shown = _run(shell, *arguments, environment=subprocess_environment, code=slowly)
    assert status.read_text().strip() == "141"
    assert len(shown.err.splitlines()) <= (3 if "inspect" in arguments else 0)


@LINUX
@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_standard_output_is_full(arguments: list[str], subprocess_environment: Mapping[str, str]) -> None:
    shown = _run("> /dev/full", *arguments, environment=subprocess_environment)
    assert shown.code == 3
    assert shown.err.splitlines() == [
        "error: standard output cannot be written: No space left on device",
        "  free some space, or send it elsewhere",
    ]


@LINUX
@pytest.mark.parametrize("shell", ["2> /dev/full", "2>&-"])
def test_standard_error_changes_no_code(shell: str, subprocess_environment: Mapping[str, str]) -> None:
    assert _run(shell, "--version", environment=subprocess_environment).code == 0
    refused = _run(shell, "inspect", "/nowhere", "--json", environment=subprocess_environment)
    assert refused.code == 3
    assert refused.json["error"]["exit_code"] == 3


def test_letters_that_a_terminal_does_not_have(subprocess_environment: Mapping[str, str]) -> None:
    environment = {**subprocess_environment, "PYTHONIOENCODING": "ascii"}
    refused = _run("", "inspect", "/nowhere/\u00e9\u4e16", "--json", environment=environment)
    assert refused.code == 3
    assert "/nowhere/\u00e9\u4e16" in refused.json["error"]["message"]
    assert "/nowhere/\\xe9\\u4e16" in refused.err


SIGNALS = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("when", ["loading", "ending"])
def test_a_signal_before_and_after_the_command(
    number: signal.Signals, when: str, subprocess_environment: Mapping[str, str]
) -> None:
    kill = f"os.kill(os.getpid(), {int(number)})"
    loading = f"""
import os
class Loading:
    def find_spec(self, name, path=None, target=None):
        if name == "cloformer.cli":
            {kill}
sys.meta_path.insert(0, Loading())
"""
    ending = f"import atexit, os; atexit.register(lambda: {kill})"
    code = loading if when == "loading" else ending
    shown = _run("", "--version", environment=subprocess_environment, code=code)
    assert (shown.code, shown.err) == (SIGNALS[number][0], "")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("first", ["error", "signal"])
def test_signals_while_a_command_cleans_up(
    number: signal.Signals, first: str, tmp_path: Path, subprocess_environment: Mapping[str, str]
) -> None:
    """One that comes while an error's leftovers are removed, and more of them after the first."""
    code = f"""
import os, shutil, time
from pathlib import Path
from cloformer.cli import app
from cloformer.io import staging
remove = shutil.rmtree
def removing(*arguments, **options):
    os.kill(os.getpid(), {int(number)})
    time.sleep(0.01)
    os.kill(os.getpid(), {int(signal.SIGTERM)})
    time.sleep(0.01)
    remove(*arguments, **options)
staging.shutil.rmtree = removing
@app.command()
def work():
    with staging.staged(Path("place")) as folder:
        (folder / "half").write_text("half")
        if {first!r} == "signal":
            os.kill(os.getpid(), {int(number)})
            time.sleep(1)
        raise ZeroDivisionError
"""
    script = f"import os; os.chdir({str(tmp_path)!r})\n{code}"
    shown = _run("", "work", environment=subprocess_environment, code=script)
    expected, word = SIGNALS[number]
    assert (shown.code, shown.err) == (expected, f"error: {word}; nothing half-written is left\n")
    assert list(tmp_path.iterdir()) == []


def test_an_error_with_json_is_one_document(command: Command, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    shown = command("inspect", odd, "--json")
    assert shown.code == 3
    message = json.loads(shown.out)["error"]["message"]
    assert "caf\\udce9" in message


@pytest.mark.parametrize(
    "name",
    [
        "\x1b[31mred",
        "a\n::set-output name=x::y",
        "##[set-env name=PATH]",
        "\u202eabc",
        "x" * 200,
        "\r::error::",
    ],
)
def test_names_do_not_steer_a_terminal_or_a_runner(command: Command, tmp_path: Path, name: str) -> None:
    for shown in (command("inspect", tmp_path / name), command(name), command("models", f"--{name}")):
        assert shown.code in (2, 3)
        lines = shown.err.splitlines()
        assert 2 <= len(lines) <= 3
        assert all(line.isprintable() and len(line) <= 320 for line in lines)
        assert not any(line.lstrip().startswith("::") or "##[" in line for line in lines)
