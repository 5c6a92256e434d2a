"""Every network of the zoo, exported and held to PyTorch.

::

    PYTHONPATH=tests:tests/support python -m zoo [--only NAME ...] [--style STYLE ...] [--format FORM ...] [--rows FILE] [--code FOLDER]

Each network is written as ONNX in float32 and as Core ML in float16, one after the other, each in a process of its own;
parity compares it with the model operator by operator, and eager PyTorch says whether that verdict is true. What was found is
added to ``--rows``, a line each; networks that are in it are not tried again, unless ``--again`` is given. ``--write`` puts
the tables into ``docs/zoo.md``. Exit code 1 if a bound of :mod:`.report` is not kept.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from benchmarks.kept import keep, kept
from benchmarks.markdown import replace_between

from cloformer.io.memory import keep_freed_memory
from cloformer.io.quiet import quiet

from .isolated import tried
from .neighbours import CODE
from .networks import networks
from .report import failures, table_of_needs, table_of_rows, totals
from .trial import FORMS, Need, Row

DOCUMENT = Path(__file__).parents[2] / "docs" / "zoo.md"
DEFAULT_FORMS = ("onnx fp32", "coreml fp16")
# Where in the document the tables of forms are: of runtimes with delegates, whose packages are elsewhere, by themselves.
TABLES = {
    ("<!-- zoo: written by make zoo -->", "<!-- zoo ends -->"): (*DEFAULT_FORMS, "coreml fp32"),
    ("<!-- zoo of delegates -->", "<!-- zoo of delegates ends -->"): ("litert fp32", "executorch fp32"),
}
MINUTES, GIBIBYTES = 10, 10  # of a row, at most


def wanted(arguments: argparse.Namespace) -> list[Row]:
    """The rows that are asked for, with no result yet, a form after the other."""
    return [
        Row(network.name, network.style, form, "")
        for form in arguments.format
        for network in networks().values()
        if network.name in arguments.only and network.style in arguments.style
    ]


def finished(path: Path) -> dict[tuple[str, str], Row]:
    """The rows in ``path``, the last of each network and form."""
    found = {}
    for fields in kept(path):
        needs = {kind: Need(**need) for kind, need in fields.pop("needs").items()}
        found[fields["network"], fields["form"]] = Row(**fields, needs=needs)
    return found


def _preload() -> None:
    """Import once what every row's process needs."""
    with quiet("coremltools"):
        for name in ("coremltools", "onnx", "onnxruntime", "torch._dynamo", "torch.onnx"):
            importlib.import_module(name)


def run(
    rows: Sequence[Row], path: Path, *, again: bool, minutes: int = MINUTES, gibibytes: int = GIBIBYTES
) -> list[Row]:
    """Each row as it was found, now or before; one that takes more time or memory is given up."""
    found = finished(path)
    _preload()
    for row in rows:
        key = row.network, row.form
        if key in found and not again:
            continue
        found[key] = tried(row, 60 * minutes, gibibytes)
        keep(path, asdict(found[key]))
        words = (
            "" if found[key].result == "passed" else "\n  " + "\n  ".join(found[key].words.splitlines()[:4])
        )
        print(
            f"{' '.join(key)}: {found[key].result} ({found[key].seconds:.0f} s){words}",
            file=sys.stderr,
            flush=True,
        )
    return [found[row.network, row.form] for row in rows]


def _arguments() -> argparse.Namespace:
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument(
        "--code",
        type=Path,
        metavar="FOLDER",
        help="the published code of related networks, a folder for each repository",
    )
    code = first.parse_known_args()[0].code
    if code is not None:
        os.environ[CODE] = str(code.resolve())  # read wherever networks are made: in the rows' processes too
    names, styles = list(networks()), list(dict.fromkeys(item.style for item in networks().values()))
    parser = argparse.ArgumentParser(
        description="Every network of the zoo, held to PyTorch.", parents=[first]
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument(
        "--style", nargs="+", choices=styles, default=styles, metavar="STYLE", help=", ".join(styles)
    )
    parser.add_argument(
        "--format", nargs="+", choices=FORMS, default=DEFAULT_FORMS, metavar="FORM", help=", ".join(FORMS)
    )
    parser.add_argument(
        "--rows",
        type=Path,
        default=Path("build/zoo.jsonl"),
        metavar="FILE",
        help="what was found (%(default)s)",
    )
    parser.add_argument("--again", action="store_true", help="try also what is in the file")
    parser.add_argument(
        "--minutes", type=int, default=MINUTES, metavar="N", help="that a row may take (%(default)s)"
    )
    parser.add_argument(
        "--gibibytes", type=int, default=GIBIBYTES, metavar="N", help="of memory, likewise (%(default)s)"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"write the tables of all that is in the file into {DOCUMENT.name}",
    )
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    torch.set_num_threads(1)
    keep_freed_memory()
    rows = run(
        wanted(arguments),
        arguments.rows,
        again=arguments.again,
        minutes=arguments.minutes,
        gibibytes=arguments.gibibytes,
    )
    print("\n".join([*totals(rows), "", *table_of_needs(rows)]))
    if arguments.write:
        all_rows = [row for row in finished(arguments.rows).values() if row.network in networks()]
        for (begin, end), forms in TABLES.items():
            found = [row for row in all_rows if row.form in forms]
            if found:
                lines = [*totals(found), "", *table_of_rows(found), "", *table_of_needs(found)]
                replace_between(DOCUMENT, begin, end, ["", *lines, ""])
    wrong = failures(rows)
    for words in wrong:
        print(f"FAIL {words}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
