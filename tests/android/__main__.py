"""All checks, one after the other: ``python -m android`` with ``tests`` among Python's paths, or ``make android-checks``.

``--keep FOLDER`` leaves everything that was built there; ``--artifact FOLDER`` takes an ONNX artifact instead of a new
export.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from packages import MissingError

from . import checks
from .parts import check_programs
from .tools import CheckError


def main() -> int:
    parser = argparse.ArgumentParser(prog="android", description="Check the Android project.")
    parser.add_argument("--keep", type=Path, help="a new folder that what is built stays in")
    parser.add_argument("--artifact", type=Path, help="an ONNX artifact; without, one is exported")
    options = parser.parse_args()
    try:
        check_programs()
    except MissingError as error:
        say(f"cannot start: {error}")
        return 5
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).absolute()
        return run_all(checks.Project(work, options.artifact))


def run_all(project: checks.Project) -> int:
    passed = failed = 0
    begin = time.monotonic()
    for check in checks.CHECKS:
        start = time.monotonic()
        lines, is_held = outcome(lambda check=check: check(project))  # type: ignore[misc]
        passed, failed = passed + is_held, failed + (not is_held)
        title = re.sub(r"\s+", " ", (check.__doc__ or "").partition("\n\n")[0])
        say(f"{'ok  ' if is_held else 'FAIL'} {time.monotonic() - start:5.0f} s  {title}")
        for line in lines:
            say(f"             {line}")
        if not is_held and check in checks.NEEDED:
            say("             the checks that follow need this one")
            break
    say(f"{time.monotonic() - begin:.0f} s")
    say(f"{passed} passed, {failed} failed")
    return int(failed > 0)


def outcome(check: Callable[[], list[str]]) -> tuple[list[str], bool]:
    try:
        return check(), True
    except (CheckError, MissingError, AssertionError) as error:
        return str(error).splitlines(), False
    except subprocess.CalledProcessError as error:
        return [f"{error}", *(error.stderr or b"").decode(errors="replace").splitlines()[-20:]], False


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
