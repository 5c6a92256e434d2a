"""``python -m kills``: 200 kills and 20 full disks. Prints a table; exit 1 if anything was lost or left."""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.markdown import replace_between

from .children import Ended, run
from .commands import COMMANDS, Command, Train, finished, tree

__all__ = ["main"]

_DOCUMENT = Path(__file__).parents[2] / "docs" / "robustness.md"

_DISKS = {
    "export onnx": 4,
    "export coreml": 4,
    "bundle android --force": 4,
    "bundle ios --force": 3,
    "hub": 3,
    "prune": 3,
    "pareto": 3,
    "train": 2,
}


@dataclass
class Row:
    """What was done to a command, and what was wrong."""

    name: str
    changes: int = 0
    kills: int = 0
    disks: int = 0
    wrong: list[str] = field(default_factory=list)


def main() -> None:
    """Try every command, or those that are asked for."""
    parser = argparse.ArgumentParser(prog="kills", description=__doc__)
    parser.add_argument("--only", action="append", choices=[command.name for command in COMMANDS])
    parser.add_argument("--write", action="store_true", help="write the table into docs/robustness.md")
    asked = parser.parse_args()
    rows = []
    _import_everything()
    for command in COMMANDS:
        if not asked.only or command.name in asked.only:
            began = time.monotonic()
            row = Row(command.name)
            _kill(command, row)
            _fill_disks(command, row)
            rows.append(row)
            print(
                f"{command.name}: {row.kills} kills, {row.disks} disks, {time.monotonic() - began:.0f} s",
                file=sys.stderr,
            )
    lines = list(_table(rows))
    print("\n".join(lines))
    if asked.write:
        replace_between(_DOCUMENT, "<!-- kills: make kill-tests -->", "<!-- end of the kills -->", lines)
    sys.exit(any(row.wrong for row in rows))


def _import_everything() -> None:
    """Before any process is forked: imports are no part of what is tried, and take seconds."""
    import coremltools
    import onnxruntime
    import onnxscript
    import onnxsim
    import torch

    import cloformer.cli
    import cloformer.training.run

    assert all((coremltools, onnxruntime, onnxscript, onnxsim, cloformer.cli, cloformer.training.run))
    torch.set_num_threads(1)


def _kill(command: Command, row: Row) -> None:
    before, after, whole = _undisturbed(command)
    row.changes = whole.changes
    steps = range(whole.changes)
    if command.steps is not None and command.steps < len(steps):
        steps = [whole.changes * index // command.steps for index in range(command.steps)]  # type: ignore[assignment]
    with _place() as folder:
        command.prepare(folder)
        for step in steps:
            if command.begins_anew:
                _prepare_again(command, folder)
            ended = run(command.arguments(folder), folder, kill_at=step)
            if ended.code is not None:  # what goes on has fewer steps left: it has ended, and begins again
                _prepare_again(command, folder)
                continue
            row.kills += 1
            _expect(
                row,
                command.is_sound(folder, before, after),
                f"killed before change {step}: neither old nor new",
            )
            _expect(
                row,
                len({name.split("/")[0] for name in _left(folder)}) <= 1,
                f"more than one run's rest at {step}",
            )
            if command.begins_anew:
                ended = run(command.arguments(folder), folder)
                _expect(
                    row,
                    _is_refused_as_done(ended) or ended.code == 0,
                    f"after the kill at {step}: {ended.said[-300:]}",
                )
                _expect(row, not _left(folder), f"after the kill at {step}, left: {_left(folder)[:3]}")
        ended = run(command.arguments(folder), folder)
        _expect(row, ended.code == 0 or _is_refused_as_done(ended), f"the last run: {ended.said[-300:]}")
        _expect(row, not _left(folder), f"left after the last run: {_left(folder)[:3]}")
        if isinstance(command, Train):
            _expect(
                row,
                _weights(finished(folder)) == _weights(after),
                "other weights than a run that nobody killed",
            )


def _is_refused_as_done(ended: Ended) -> bool:
    """A folder for the Hub is new or empty: the killed run had put it there whole."""
    return ended.code == 3 and "is not empty" in ended.said


def _undisturbed(command: Command) -> tuple[dict[str, str], dict[str, str], Ended]:
    """The files before, those after a run that nobody kills, and that run."""
    with _place() as folder:
        command.prepare(folder)
        before = finished(folder)
        ended = run(command.arguments(folder), folder)
        if ended.code != 0:
            raise SystemExit(f"{command.name} does not work by itself: {ended.said}")
        return before, finished(folder), ended


def _prepare_again(command: Command, folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    command.prepare(folder)


def _fill_disks(command: Command, row: Row) -> None:
    """A disk that has room for less and less of what the command needs; what stands there stays."""
    count = _DISKS.get(command.name, 0)
    if not count:
        return
    with _place() as folder:
        command.prepare(folder)
        size = _space(folder)
        run(command.arguments(folder), folder)
        grown = _space(folder)
    needed = max(grown - size, grown // 3)
    for index in range(count):
        room = size + max(8192, min(65536, size // 8)) + needed * index // (count + 1)
        with _place() as parent, _small_disk(parent / "disk", room) as disk:
            command.prepare(disk)
            before = tree(disk)
            ended = run(command.arguments(disk), disk)
            row.disks += 1
            _expect(row, ended.code == 3, f"with {room} bytes: exit {ended.code}: {ended.said[-300:]}")
            kept = {name: digest for name, digest in tree(disk).items() if name in before}
            is_sound = kept == before or (command.each_by_itself and command.is_sound(disk, before, {}))
            _expect(row, is_sound, f"with {room} bytes: something that stood there is not as it was")
            _expect(row, not _left(disk), f"with {room} bytes, left: {_left(disk)[:3]}")


def _space(folder: Path) -> int:
    """What a folder takes of a disk, which gives it away in pages."""
    pages = sum(-(-path.lstat().st_size // 4096) if path.is_file() else 1 for path in folder.rglob("*"))
    return 4096 * pages


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A filesystem of so many bytes in memory; where none may be mounted, a bound on every file."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode == 0:
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cloformer-kills-") as name:
        folder = Path(name).resolve() / "here"
        folder.mkdir()
        yield folder


def _left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(".cloformer-*"))


def _weights(files: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name.endswith(".safetensors")}


def _expect(row: Row, holds: bool, otherwise: str) -> None:
    if not holds:
        row.wrong.append(otherwise)


def _table(rows: list[Row]) -> Iterator[str]:
    cells: list[tuple[str, Callable[[Row], object]]] = [
        ("changes of the file system", lambda row: row.changes),
        ("kills", lambda row: row.kills),
        ("full disks", lambda row: row.disks),
        ("lost, half-written or left", lambda row: len(row.wrong)),
    ]
    yield "| command | " + " | ".join(name for name, _ in cells) + " |"
    yield "| --- |" + " ---: |" * len(cells)
    for row in rows:
        yield f"| `{row.name}` | " + " | ".join(str(value(row)) for _, value in cells) + " |"
    totals = [sum(int(str(value(row))) for row in rows) for _, value in cells]
    yield "| all | " + " | ".join(map(str, totals)) + " |"
    for row in rows:
        yield from (f"{row.name}: {text}" for text in row.wrong)


if __name__ == "__main__":
    main()
