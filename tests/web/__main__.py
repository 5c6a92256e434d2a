"""All checks, one after the other: ``python -m web`` with ``tests`` and ``tests/support`` among Python's paths, or ``make web-checks``.

``--keep FOLDER`` leaves everything that was built there; ``--artifact FOLDER`` takes an ONNX artifact instead of a new export of the
checkpoint in the box; ``--screenshots FOLDER`` writes the pages in every state; ``--only NAME ...`` goes through some checks alone;
``--write`` puts what was found into docs/web.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.markdown import replace_between
from browser import browser_version, package
from checklist import Outcome, run_checks
from packages import MissingError

from .checks import CHECKS, NEEDED
from .project import REPOSITORY, Project

BEGIN, END = "<!-- web-checks -->", "<!-- /web-checks -->"
DOCUMENT = REPOSITORY / "docs/web.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="web", description="Check the web bundle in Chromium.")
    parser.add_argument("--keep", type=Path, help="a new folder that what is built stays in")
    parser.add_argument(
        "--artifact", type=Path, help="an ONNX artifact of a classifier; without, one is exported"
    )
    parser.add_argument(
        "--screenshots", type=Path, help="a folder that the pages are drawn into, in every state"
    )
    parser.add_argument(
        "--only", nargs="+", choices=[check.__name__ for check in CHECKS], help="these checks alone"
    )
    parser.add_argument("--write", action="store_true", help="write the table of docs/web.md")
    options = parser.parse_args()
    try:
        browser = browser_version()
        package("playwright-core")
    except MissingError as error:
        sys.stdout.write(f"cannot start: {error}\n")
        return 5
    chosen = [check for check in CHECKS if options.only is None or check.__name__ in options.only]
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.keep or Path(temporary)).absolute()
        found = run_checks(chosen, Project(work, options.artifact, options.screenshots), NEEDED)
    if options.write:
        replace_between(DOCUMENT, BEGIN, END, table(found, browser))
    return int(any(item.word == "FAIL" for item in found))


def table(found: Sequence[Outcome], browser: str) -> list[str]:
    """What was found, as Markdown."""
    words = {"ok": "yes", "FAIL": "**no**", "none": "not offered"}
    rows = [
        f"| {item.title} | {words[item.word]} | {'<br>'.join(line.strip() for line in item.lines)} |"
        for item in found
    ]
    return [
        f"By `make web-checks`, with {browser}:",
        "",
        "| what | holds | figures |",
        "| --- | --- | --- |",
        *rows,
    ]


if __name__ == "__main__":
    sys.exit(main())
