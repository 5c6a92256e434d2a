"""File hosts on this machine, and copies of a bundle with something changed in them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from checklist import CheckError

__all__ = ["Host", "edited", "file_host", "loopback", "rewrite"]

_ADDRESS = re.compile(r"http://[^\s/]+|port (\d+)")


@dataclass(frozen=True)
class Host:
    """``address`` is without a slash at its end."""

    address: str
    process: subprocess.Popen[str]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


@contextlib.contextmanager
def loopback(folder: Path) -> Iterator[Host]:
    """`cloformer serve`, on a port that is free."""
    with _running(sys.executable, "-m", "cloformer", "serve", folder, "--port", "0") as host:
        yield host


@contextlib.contextmanager
def file_host(folder: Path) -> Iterator[Host]:
    """`python -m http.server`: no header that a page of several threads needs."""
    command = ("-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder)
    with _running(sys.executable, *command) as host:
        yield host


@contextlib.contextmanager
def _running(*command: object) -> Iterator[Host]:
    """A program that says on its first line with an address where it listens."""
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := _ADDRESS.search(line):
                yield Host(f"http://127.0.0.1:{found[1]}" if found[1] else found[0], process)
                return
        raise CheckError(f"no address is said by {' '.join(map(str, command[1:4]))}: {''.join(said)}")
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)


def edited(bundle: Path, copy: Path, changes: Mapping[str, tuple[str, str]]) -> Path:
    """A copy of a bundle with text of some files exchanged, each of which has it once. What is not changed is one file in both."""
    shutil.copytree(bundle, copy, copy_function=os.link)
    for name, (was, becomes) in changes.items():
        text = (copy / name).read_text("utf-8")
        assert text.count(was) == 1, f"{name} has {text.count(was)} times: {was}"
        rewrite(copy / name, text.replace(was, becomes))
    return copy


def rewrite(path: Path, content: str | bytes) -> None:
    """Another content for a file of a copy; the bundle's own stays."""
    path.unlink()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
