"""The command line of the programme."""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.markdown import replace_between

from .inputs import CLASSES, OF_EXTRAS
from .programme import Done, Number, Work, do, perform, prepare, the_runs
from .table import failures, tables

__all__ = ["main"]

_DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "robustness.md"
_MARKS = {
    "hostile": ("<!-- hostile: make fuzz -->", "<!-- end of the hostile -->"),
    "odd": ("<!-- odd: make fuzz -->", "<!-- end of the odd -->"),
}
_MARKS_OF_EXTRAS = {
    "hostile": ("<!-- files of extras: make fuzz-formats -->", "<!-- end of the files of extras -->")
}
_EVERY = 200  # runs, a line


def main() -> int:
    """Run the programme, a part of it, or one run."""
    arguments = _arguments()
    begin = time.monotonic()
    warnings.simplefilter("ignore")  # of frameworks, about the inputs that are made with them
    with _folder(arguments.work) as folder:
        work = prepare(folder, arguments.seed, _say)
        if arguments.number is not None:
            return _one(Number(arguments.only, arguments.odd, arguments.number), work)
        rows = [row for row in (*CLASSES, *OF_EXTRAS) if row.name == arguments.only]
        rows = rows or list(OF_EXTRAS if arguments.extras else CLASSES)
        runs = the_runs(work, arguments.runs, rows)
        done: list[Done] = []
        for item in perform(runs, work, arguments.workers):
            done.append(item)
            if item.verdict.findings:
                _say(f"{item.number.of} {item.number.number}: {item.verdict.findings[0].words[:150]!a}")
            if len(done) % _EVERY == 0 or len(done) == len(runs):
                bad = sum(bool(item.verdict.findings) for item in done)
                _say(
                    f"{len(done)} of {len(runs)} runs, {bad} failed, {(time.monotonic() - begin) / 60:.0f} min"
                )
    done.sort(key=lambda item: (item.number.odd, item.number.of, item.number.number))
    found = tables(done)
    print(*(line for table in found.values() for line in (*table, "")), sep="\n")
    print(*failures(done), sep="\n")
    if arguments.write:
        for name, (start, end) in (_MARKS_OF_EXTRAS if arguments.extras else _MARKS).items():
            replace_between(_DOCUMENT, start, end, found[name])
    bad = sum(bool(item.verdict.findings) for item in done)
    print(f"{len(done)} runs with seed {arguments.seed}, {bad} not as they must be", end=", ")
    print(
        f"{(time.monotonic() - begin) / 60:.0f} minutes, {sum(item.computed for item in done) / 60:.0f} of computing"
    )
    return int(bad > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz", description="Hostile and odd inputs for every command."
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (%(default)s)")
    parser.add_argument("--runs", type=int, metavar="N", help="so many, drawn from all")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (%(default)s)")
    parser.add_argument(
        "--only",
        metavar="CLASS",
        choices=[row.name for row in (*CLASSES, *OF_EXTRAS)],
        help="one class of inputs",
    )
    parser.add_argument(
        "--extras",
        action="store_true",
        help="files of formats whose packages are an extra, in the place of all else",
    )
    parser.add_argument("--number", type=int, metavar="N", help="one run of the class, and all that it said")
    parser.add_argument("--odd", action="store_true", help="with --number: of the sound inputs")
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="work there, leave it, and use what is there again"
    )
    parser.add_argument("--write", action="store_true", help="write the tables into docs/robustness.md")
    arguments = parser.parse_args()
    if arguments.number is not None and arguments.only is None:
        parser.error("--number is of one class: give --only")
    return arguments


def _one(number: Number, work: Work) -> int:
    done = do(number, work, work.folder / "one", keep=True)
    print(f"{number.of} {number.number}: {done.what}", f"cloformer {shlex.join(done.arguments)!a}", sep="\n")
    print(
        f"exit {done.code}, {done.computed:.1f} s of computing, {done.memory // 10**6} MB",
        done.said,
        sep="\n",
    )
    for finding in done.verdict.findings:
        print(f"{finding.kind}: {finding.words!a}")
    return int(bool(done.verdict.findings))


def _say(text: str) -> None:
    sys.stderr.write(f"\r\033[K{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()
