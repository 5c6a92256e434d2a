"""Does each of LiteRT's and ONNX's passes pay on a phone's processor? Each is left out in turn, and the instructions of an inference are counted.

::

    PYTHONPATH=tests:tests/support python -m benchmarks.counted_passes [--format litert|onnx] [--only NAME ...] [--folder DIR] [--write]

CloFormer-XXS and five networks of other kinds, as the whole list of passes makes them and without each pass that rewrites anything,
on one thread of an emulated arm64 core: counts are exact, whatever else the machine does. Each row is a line of ``FORMAT.jsonl`` in
DIR: started again, the program goes on after the last. It needs the extra ``litert``, timm, and what ``make device-checks`` installs.
Exit code 1 if a file is better without a pass, but for those that pay by what is in the cache (``benchmarks.timed_passes``);
``--write`` puts the table into ``docs/passes.md``.
"""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the tests: stands before what reads it

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cloformer.export.artifact.folder import Artifact
from cloformer.export.device.arm64 import Arm64Device
from cloformer.export.device.arm64_parity import compare_on_device
from cloformer.export.parity.verify import ParityRequest

from .ablation import PAGE, labels
from .kept import keep, kept
from .left_out import CACHED, NETWORKS, TITLES, WHOLE, made, without_each
from .markdown import replace_between

OFFERED = ("litert", "onnx")
BEGIN, END = "<!-- counted passes of {}: make counted-passes -->", "<!-- end of the counted passes of {} -->"
_NOTHING = 1e-3  # of the instructions: where values lie in memory costs a few


@dataclass(frozen=True)
class Row:
    """A network without the pass ``off``, which rewrites ``sites`` in the whole list: ``instructions`` of the input that takes the
    most, None where the file does not run there, with what was said; ``outside`` are operators in no partition."""

    network: str
    off: str
    sites: int
    instructions: int | None
    partitions: int | None = None
    outside: int = 0
    words: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--format", choices=OFFERED, default=OFFERED[0])
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=Path("build/counted-passes"))
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = given.folder / f"{given.format}.jsonl"
    for name in given.only:
        known = {row.off for row in _read(path) if row.network == name}
        for row in measured(name, given.format, known):
            keep(path, asdict(row))
            print(row, flush=True)
    rows = _read(path)
    lines, failures = table(rows, given.format), list(_failures(rows))
    print("", *lines, "", *(f"FAIL: {text}" for text in failures), sep="\n")
    if given.write:
        replace_between(PAGE, BEGIN.format(given.format), END.format(given.format), lines)
    sys.exit(1 if failures else 0)


def _read(path: Path) -> list[Row]:
    """The rows so far."""
    return [Row(**fields) for fields in kept(path)]


def measured(name: str, format: str, known: set[str]) -> Iterator[Row]:
    """The rows of one network that are not known: that of the whole list, and of each pass that rewrites anything in it."""
    with tempfile.TemporaryDirectory() as folder:
        whole = made(name, format, Path(folder))
        if WHOLE not in known:
            yield _row(name, WHOLE, 0, whole)
        with without_each(name, format, whole, known) as exports:
            for each in exports:
                if each.artifact is None:
                    yield Row(name, each.off, each.sites, None, words=each.words)
                else:
                    yield _row(name, each.off, each.sites, each.artifact)


def _row(name: str, off: str, sites: int, artifact: Artifact) -> Row:
    counts = compare_on_device(artifact, ParityRequest(), Arm64Device())[1]
    graph = artifact.manifest.graph
    most = None if counts is None else counts.most
    return Row(name, off, sites, most, graph.partitions, len(graph.undelegated))


def table(rows: Sequence[Row], format: str) -> list[str]:
    """A line for each pass: how many instructions more there are without it, by network."""
    found = {(row.network, row.off): row for row in rows}
    present = [name for name in NETWORKS if (name, WHOLE) in found]
    lines = [
        f"| without | {' | '.join(TITLES.get(name, name) for name in present)} |",
        f"| --- |{' ---: |' * len(present)}",
        f"| {WHOLE} | {' | '.join(_whole(found[name, WHOLE]) for name in present)} |",
    ]
    for off in labels(format, {}):
        cells = [_cell(found.get((name, off)), found[name, WHOLE]) for name in present]
        pass_name, comma, which = off.partition(",")
        lines.append(f"| `{pass_name}`{comma}{which} | {' | '.join(cells)} |")
    return lines


def _whole(row: Row) -> str:
    return "does not run" if row.instructions is None else f"{row.instructions / 1e6:.1f} M{_pieces(row)}"


def _cell(row: Row | None, whole: Row) -> str:
    if row is None:
        return ""
    if row.instructions is None or whole.instructions is None:
        return "refused" if row.words else "does not run"
    return f"{row.instructions / whole.instructions - 1:+.1%}{_pieces(row)}"


def _pieces(row: Row) -> str:
    is_whole = row.partitions in (None, 1) and not row.outside
    return "" if is_whole else f", {row.partitions} partitions and {row.outside} operators outside"


def _failures(rows: Sequence[Row]) -> Iterator[str]:
    whole: Mapping[str, int | None] = {row.network: row.instructions for row in rows if row.off == WHOLE}
    for row in rows:
        best = whole.get(row.network)
        if row.instructions is None or best is None or row.off in CACHED:
            continue
        if row.instructions < (1 - _NOTHING) * best:
            yield f"{row.network} takes fewer instructions without {row.off}"


if __name__ == "__main__":
    main()
