"""All checks, one after the other: ``python -m android`` with ``tests`` among Python's paths, or ``make android-checks``.

``--keep FOLDER`` leaves everything that was built there; ``--artifact FOLDER`` takes an ONNX artifact instead of a new
export.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from checklist import run_checks
from packages import MissingError

from . import checks
from .parts import check_programs


def main() -> int:
    parser = argparse.ArgumentParser(prog="android", description="Check the Android project.")
    parser.add_argument("--keep", type=Path, help="a new folder that what is built stays in")
    parser.add_argument("--artifact", type=Path, help="an ONNX artifact; without, one is exported")
    options = parser.parse_args()
    try:
        check_programs()
    except MissingError as error:
        sys.stdout.write(f"cannot start: {error}\n")
        return 5
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).absolute()
        found = run_checks(checks.CHECKS, checks.Project(work, options.artifact), checks.NEEDED)
        return int(any(item.word == "FAIL" for item in found))


if __name__ == "__main__":
    sys.exit(main())
