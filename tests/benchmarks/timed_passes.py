"""Does each of ExecuTorch's passes pay, and LiteRT's for the caches? Each is left out in turn, and the times are compared.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.timed_passes [--only NAME ...] [--folder DIR] [--write]

CloFormer-XXS and five networks of other kinds, as the whole list of passes makes them and without each pass that rewrites
anything, on one thread of this machine: ExecuTorch has no library for linux/arm64 whose instructions could be counted, and of
LiteRT's passes, which are counted, one pays by what is read from the first cache, which no count shows. Files of
the same bytes are not compared; the others are in turns, four at a time beside the whole list's, which is measured against itself,
too. Each row is a line of ``rows.jsonl`` in DIR: started again, the program goes on after the last. It needs the extras
``executorch`` and ``litert``, and timm. Exit code 1 if `compare` calls a file faster without a pass; ``--write`` puts the table into
``docs/passes.md``.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cloformer.export.artifact.folder import Artifact
from cloformer.export.formats import FORMATS as ROWS
from cloformer.export.latency.candidates import Candidate
from cloformer.export.latency.comparison import judge
from cloformer.export.latency.measure import package_versions
from cloformer.export.latency.protocol import Rounds, protocol
from cloformer.export.latency.statistics import Interval
from cloformer.export.latency.turns import compare

from .ablation import AGAIN, PAGE, labels, percent
from .kept import keep, kept
from .left_out import CACHED, NETWORKS, TITLES, WHOLE, LeftOut, made, without_each
from .markdown import replace_between

# The passes of each format that are timed; None: all of them.
FORMATS: dict[str, tuple[str, ...] | None] = {"executorch": None, "litert": CACHED}
_FIRST = "executorch"
ROUNDS = Rounds(least=4, most=4)
SECONDS = 8.0  # of queries, for each
AT_ONCE = 4  # beside the whole list's: a round is mostly the start of its processes
BEGIN, END = "<!-- timed passes: make timed-passes -->", "<!-- end of the timed passes -->"


@dataclass(frozen=True)
class Row:
    """A network in ``format`` without the pass ``off``, which rewrites ``sites`` in the whole list: its ``time`` over the whole
    list's, None where the bytes are the same or, with ``words``, the export fails. ``outside`` are operators in no delegate;
    ``where`` it was measured."""

    network: str
    format: str
    off: str
    sites: int
    time: Interval | None = None
    delegates: int | None = None
    outside: int = 0
    words: str = ""
    where: str = ""

    @property
    def verdict(self) -> str:
        """Of the file without the pass."""
        return judge(self.time)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=Path("build/timed-passes"))
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = given.folder / "rows.jsonl"
    for name, format in itertools.product(given.only, FORMATS):
        known = {row.off for row in _read(path) if (row.network, row.format) == (name, format)}
        for row in measured(name, format, known):
            keep(path, asdict(row))
            print(row, flush=True)
    rows = _read(path)
    failures = [
        f"{row.network} in {row.format} is faster without {row.off}"
        for row in rows
        if row.verdict == "faster" and row.off != AGAIN
    ]
    lines = table(rows)
    print("", *lines, "", *(f"FAIL: {text}" for text in failures), sep="\n")
    if given.write:
        replace_between(PAGE, BEGIN, END, lines)
    sys.exit(1 if failures else 0)


def _read(path: Path) -> list[Row]:
    """The rows so far."""
    return [Row(**fields | {"time": fields["time"] and Interval(**fields["time"])}) for fields in kept(path)]


def measured(name: str, format: str, known: set[str]) -> Iterator[Row]:
    """The rows of one network that are not known: the whole list's beside itself, and of each pass that rewrites anything in it."""
    chosen = FORMATS[format]
    others = set() if chosen is None else set(labels(format)) - set(chosen)
    with tempfile.TemporaryDirectory() as folder:
        whole = made(name, format, Path(folder))
        if WHOLE not in known:
            yield _row(name, format, LeftOut(WHOLE, 0, whole))
        with without_each(name, format, whole, known | others) as exports:
            again = [] if AGAIN in known else [LeftOut(AGAIN, 0, whole)]
            unlike: list[LeftOut] = []
            for each in itertools.chain(again, exports):
                if each.artifact is None or (each.off != AGAIN and _bytes(each.artifact) == _bytes(whole)):
                    yield _row(name, format, each)
                else:
                    unlike.append(each)
                if len(unlike) == AT_ONCE:
                    yield from _timed(name, format, whole, unlike)
                    unlike = []
            yield from _timed(name, format, whole, unlike)


def _bytes(artifact: Artifact) -> bytes:
    return artifact.model_path.read_bytes()


def _row(name: str, format: str, each: LeftOut, time: Interval | None = None, where: str = "") -> Row:
    if each.artifact is None:
        return Row(name, format, each.off, each.sites, words=each.words)
    graph = each.artifact.manifest.graph
    outside = len(graph.undelegated)
    return Row(name, format, each.off, each.sites, time, graph.partitions, outside, where=where)


def _timed(name: str, format: str, whole: Artifact, unlike: Sequence[LeftOut]) -> Iterator[Row]:
    """The rows of files that are measured beside the whole list's, in one run."""
    if not unlike:
        return
    artifacts = [whole, *(each.artifact for each in unlike if each.artifact is not None)]
    candidates = [Candidate(artifact, format, 1) for artifact in artifacts]
    found = compare(candidates, protocol("quick", min_seconds=SECONDS), ROUNDS, lambda _: None)
    if found.failed:
        sys.exit(f"error: {name}: {found.failed[0].failure}")
    here, versions = found.environment, package_versions(candidates)
    named = ", ".join(f"{package} {version}" for package, version in sorted(versions.items()))
    where = f"{here.processor}, {here.system.partition(' ')[0]}, {named}"
    for each, pair in zip(unlike, found.pairs, strict=True):
        assert pair.judged is not None
        yield _row(name, format, each, pair.judged, where)


def table(rows: Sequence[Row]) -> list[str]:
    """A line for each pass: how much longer an inference takes without it, by network, and where it was measured."""
    found = {(row.network, row.format, row.off): row for row in rows}
    present = [name for name in NETWORKS if (name, _FIRST, WHOLE) in found]
    lines = [
        f"| without | {' | '.join(TITLES.get(name, name) for name in present)} |",
        f"| --- |{' --- |' * len(present)}",
    ]
    for format, chosen in FORMATS.items():
        for off in chosen or (WHOLE, AGAIN, *labels(format)):
            cells = [
                _cell(found.get((name, format, off)), found.get((name, format, WHOLE))) for name in present
            ]
            pass_name, comma, which = off.partition(",")
            shown = off if off in (WHOLE, AGAIN) else f"`{pass_name}`{comma}{which}"
            of_other = "" if format == _FIRST else f" of {ROWS[format].title}"
            lines.append(f"| {shown}{of_other} | {' | '.join(cells)} |")
    places = sorted({row.where for row in rows if row.where})
    return [
        *lines,
        "",
        *(f"{place}; one thread; {ROUNDS.least} rounds of fresh processes." for place in places),
    ]


def _cell(row: Row | None, whole: Row | None) -> str:
    if row is None or whole is None:
        return ""
    if row.words:
        return "refused"
    if row is whole:
        return _pieces(row)
    told = "the same file" if row.time is None else percent(row.time)
    return told if _pieces(row) == _pieces(whole) else f"{told}, {_pieces(row)}"


def _pieces(row: Row) -> str:
    return f"{row.delegates} delegate{'' if row.delegates == 1 else 's'}, {row.outside} outside"


if __name__ == "__main__":
    main()
