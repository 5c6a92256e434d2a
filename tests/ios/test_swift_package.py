"""Builds the Swift package and runs its tests, where there is a Swift compiler."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from swift_source import IOS

SWIFT = shutil.which("swift")


def is_the_language() -> bool:
    """OpenStack has a program of the same name."""
    if SWIFT is None:
        return False
    shown = subprocess.run([SWIFT, "--version"], capture_output=True, text=True).stdout
    return "Swift version" in shown


@pytest.mark.skipif(not is_the_language(), reason="there is no Swift compiler: `swift` is not on the PATH")
def test_the_package_builds_and_passes_its_tests(tmp_path: Path) -> None:
    copy = tmp_path / "package"
    for name in ("Sources", "CoreTests"):
        shutil.copytree(IOS / name, copy / name)
    shutil.copy(IOS / "Package.swift", copy)
    for command in ("build", "test"):
        arguments = [SWIFT, command, "-Xswiftc", "-warnings-as-errors"]
        done = subprocess.run(arguments, cwd=copy, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout + done.stderr
    executed = [int(number) for number in re.findall(r"Executed (\d+) tests, with 0 failures", shown)]
    written = sum(path.read_text("utf-8").count("    func test") for path in copy.glob("CoreTests/*.swift"))
    assert max(executed) == written
