"""Every operator of the tests at every opset, target and precision.

::

    PYTHONPATH=tests:tests/support python -m targets [--group NAME ...] [--form FORM ...] [--rows FILE]

The functions in the tests' tables are exported in every form that is offered, many in a network, and one by one where not all
of them pass; parity compares each with PyTorch operator by operator, and eager PyTorch says whether that verdict is true. What
was found is added to ``--rows``, a line for each network and form; what is in it is not tried again, unless ``--again`` is
given. ``--write`` puts the tables into ``docs/other-networks.md``. Exit code 1 if something crashes, is wrong, is failed or
passed falsely, or is refused without its module and line, or without the opset or target that takes it where there is one.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from benchmarks.kept import keep, kept
from benchmarks.markdown import replace_between

from .networks import groups
from .report import failures, table_of_rows, totals
from .trial import FORMS, Row, rows_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "other-networks.md"
MARKS = "<!-- targets: written by make targets -->", "<!-- targets end -->"


def finished(path: Path) -> dict[tuple[str, str, str], Row]:
    """The rows in ``path`` of networks that are still there, the last of each network and form."""
    rows = [Row(**fields) for fields in kept(path)]
    return {
        (row.group, row.network, row.form): row
        for row in rows
        if row.group in groups() and row.network in groups()[row.group].laws
    }


def run(arguments: argparse.Namespace) -> list[Row]:
    """Each wanted row as it was found, now or before."""
    path: Path = arguments.rows
    found = finished(path)
    wanted = [(group, form) for form in arguments.form for group in arguments.group]
    for group, form in wanted:
        known = () if arguments.again else [key[1] for key in found if (key[0], key[2]) == (group, form)]
        for row in rows_of(group, form, known):
            found[row.group, row.network, row.form] = row
            keep(path, asdict(row))
            if row.result != "passed":
                words = "\n  ".join(row.words.splitlines()[:4])
                print(f"{form} {group}: {row.network}: {row.result}\n  {words}", file=sys.stderr, flush=True)
        print(f"{form} {group}: done", file=sys.stderr, flush=True)
    return [row for row in found.values() if (row.group, row.form) in wanted]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Every operator of the tests at every opset, target and precision."
    )
    names, forms = list(groups()), list(FORMS)
    parser.add_argument(
        "--group", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument(
        "--form", nargs="+", choices=forms, default=forms, metavar="FORM", help=", ".join(forms)
    )
    parser.add_argument(
        "--rows",
        type=Path,
        default=Path("build/targets.jsonl"),
        metavar="FILE",
        help="what was found (%(default)s)",
    )
    parser.add_argument("--again", action="store_true", help="try also what is in the file")
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"write the tables of all that is in the file into {DOCUMENT.name}",
    )
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    torch.set_num_threads(1)
    rows = run(arguments)
    print("\n".join(totals(rows)))
    if arguments.write:
        written = list(finished(arguments.rows).values())
        replace_between(DOCUMENT, *MARKS, ["", *totals(written), "", *table_of_rows(written), ""])
    wrong = failures(rows)
    for words in wrong:
        print(f"FAIL {words}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
