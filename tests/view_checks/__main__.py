"""All checks, one after the other: ``python -m view_checks`` with ``tests`` and ``tests/support`` among Python's paths, or ``make
view-checks``.

``--keep FOLDER`` leaves the artifacts and pages there, and takes those that are there already; ``--shots FOLDER`` writes pictures.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path

from browser import BrowserError, Chromium, browser_version
from packages import MissingError

from .checks import CHECKS, Bench
from .pages import CommandError


def main() -> int:
    parser = argparse.ArgumentParser(prog="view_checks", description="Check the pages of cloformer view.")
    parser.add_argument("--keep", type=Path, help="a folder that artifacts and pages stay in")
    parser.add_argument("--shots", type=Path, help="a folder for pictures")
    parser.add_argument("--only", nargs="*", help="names of checks")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            say(f"{browser_version()}, {platform.machine()}, without a GPU")
            with Chromium("--disable-gpu") as browser:
                return run_all(Bench(browser, folder, options.shots), options.only)
        except MissingError as error:
            say(f"cannot start: {error}")
            return 5


def run_all(bench: Bench, only: list[str] | None) -> int:
    passed = failed = 0
    for check in CHECKS:
        if only and check.__name__ not in only:
            continue
        start = time.monotonic()
        lines: list[str] = []
        try:
            lines.extend(check(bench))
            is_held = True
        except (AssertionError, BrowserError, CommandError) as error:
            lines += str(error).splitlines() or ["it does not hold"]
            is_held = False
        passed, failed = passed + is_held, failed + (not is_held)
        say(f"{'ok  ' if is_held else 'FAIL'} {time.monotonic() - start:5.0f} s  {check.__doc__}")
        for line in lines:
            say(f"             {line}")
    say(f"{passed} passed, {failed} failed")
    return int(failed > 0)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
