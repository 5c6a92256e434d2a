"""The programme: which runs there are, two workers that do them, and what they found."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .case import InputClass, Make, Place
from .inputs import CLASSES, OF_EXTRAS
from .judge import Verdict, judge
from .outside import Canaries, Picture, changes, picture, write_canaries
from .process import become_subreaper, die_with_parent, run_command
from .sound import Sound, make_sound, write_sound

__all__ = ["Done", "Number", "Work", "perform", "prepare", "the_runs"]

_ODD = 10**6  # what sets the seeds of odd inputs apart
_SHOWN = 10_000  # bytes of each output of a run


@dataclass(frozen=True)
class Number:
    """Which run: of a class, hostile or odd, by its number there."""

    of: str
    odd: bool
    number: int


@dataclass(frozen=True)
class Done:
    """A run that was done, as it goes from a worker to the table. ``drawn`` by the ``seed``, or listed; ``computed`` is in
    seconds of processor time, ``memory`` in bytes; ``said`` is what it printed, where somebody wants to know."""

    number: Number
    seed: int
    drawn: bool
    what: str
    arguments: tuple[str, ...]
    code: int | None
    computed: float
    memory: int
    verdict: Verdict
    said: str


@dataclass(frozen=True)
class Work:
    """The folders: sound inputs and canaries, and a private one for each worker."""

    folder: Path
    seed: int

    @property
    def sound(self) -> Sound:
        return Sound(self.folder / "sound")


def the_runs(work: Work, count: int | None, rows: Sequence[InputClass]) -> list[Number]:
    """The programme: of each of these classes what is listed (as much as the class says), drawn, and odd; or ``count`` of these runs,
    each class by its share, and one that is odd at the least, if there is one."""
    runs = []
    for row in rows:
        listed = len(_listed(row, work.sound))
        chosen = row.seed(work.seed, -1).permutation(listed)[: row.most]
        hostile = [*sorted(chosen.tolist()), *range(listed, listed + row.draws)]
        runs += [Number(row.name, False, number) for number in hostile]
        runs += [Number(row.name, True, number) for number in range(len(_odd(row, work.sound)))]
    if count is not None:
        order = np.random.default_rng(work.seed).permutation(len(runs)).tolist()
        places = order[:count]
        if not any(runs[place].odd for place in places):
            places[-1] = next((place for place in order if runs[place].odd), places[-1])
        runs = [runs[place] for place in sorted(places)]
    return runs


@cache
def _listed(row: InputClass, sound: Sound) -> Sequence[Any]:
    return row.listed(sound)


@cache
def _odd(row: InputClass, sound: Sound) -> Sequence[Any]:
    return row.odd(sound)


def make_of(number: Number, work: Work) -> tuple[InputClass, str, Make]:
    """The class, the name (of a listed one) and what makes it."""
    row = next(row for row in (*CLASSES, *OF_EXTRAS) if row.name == number.of)
    trials = _odd(row, work.sound) if number.odd else _listed(row, work.sound)
    if number.number < len(trials):
        return row, trials[number.number].name, trials[number.number].make
    if row.drawn is None or number.odd:
        raise IndexError(f"{row.name} has {len(trials)} runs")
    return row, "", row.drawn


def prepare(folder: Path, seed: int, say: Callable[[str], None]) -> Work:
    """Make the sound inputs, unless they are there."""
    work = Work(folder, seed)
    if not work.sound.folder.exists():
        say("making sound inputs")
        private = folder / "making"
        (private / "here").mkdir(parents=True)
        make_sound(write_sound(work.sound.folder), lambda arguments: _make(arguments, private, folder))
        shutil.rmtree(private)
    return work


def _make(arguments: Sequence[str], private: Path, folder: Path) -> None:
    outcome = run_command(arguments, private / "here", private, _environment(private))
    if outcome.code != 0:
        raise RuntimeError(f"cloformer {' '.join(arguments)}: {outcome.died or outcome.err.decode()[-1000:]}")


def _environment(private: Path) -> dict[str, str]:
    """Nothing of the user's own is read or written; a temporary file that stays is seen."""
    for name in ("home", "tmp"):
        (private / name).mkdir(exist_ok=True)
    return {
        "HOME": str(private / "home"), "TMPDIR": str(private / "tmp"), "LC_ALL": "C.UTF-8", "COLUMNS": "100",
        "TORCHINDUCTOR_CACHE_DIR": str(private / "cache"), "XDG_CACHE_HOME": str(private / "cache"),
    }  # fmt: skip


def do(number: Number, work: Work, private: Path, *, keep: bool = False) -> Done:
    """Make the input in a fresh folder, run the command, judge what it did."""
    row, name, make = make_of(number, work)
    remove(private)
    here, outside = private / "here", private / "outside"
    here.mkdir(parents=True)
    environment = _environment(private)
    watched = write_canaries(outside) + write_canaries(here)  # elsewhere, and beside what is read
    random = row.seed(work.seed, number.number + _ODD * number.odd)
    run = make(Place(here, outside, work.sound, random, number.number))
    canaries = Canaries(watched)
    try:
        before = _pictures(private, work)
        outcome = run_command(run.arguments, here, private, environment | dict(run.environment))
        seen = canaries.opened()
        allowed = ["cache", *(f"here/{path}" for path in run.writes)]
        after = _pictures(private, work)
        for first, second, some in zip(before, after, (allowed, []), strict=True):
            seen += changes(first, second, some)
        made = _made(private, before[0], after[0])
        verdict = judge(run, outcome, seen, made)
    finally:
        canaries.close()
        if not keep:
            remove(private)
    said = _shown(outcome.out) + _shown(outcome.err) if keep else ""
    return Done(
        number, work.seed, not name, name or run.what, run.arguments, outcome.code, outcome.computed, outcome.memory,
        verdict, said,
    )  # fmt: skip


def _shown(data: bytes) -> str:
    """For a terminal, whatever is in it."""
    lines = data[-_SHOWN:].decode("utf-8", "backslashreplace").split("\n")
    return "".join(f"{ascii(line)[1:-1]}\n" for line in lines if line)


def _pictures(private: Path, work: Work) -> tuple[Picture, Picture]:
    return picture(private), picture(work.sound.folder)


def _made(private: Path, before: Picture, after: Picture) -> list[Path]:
    """The regular files that are new or changed."""
    paths = [
        private / name for name, seen in after.items() if seen != before.get(name) and stat.S_ISREG(seen[0])
    ]
    return [path for path in paths if os.access(path, os.R_OK) and path.stat().st_size < 1 << 26]


def remove(folder: Path) -> None:
    """Even where permissions were taken away."""
    for place, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                path = Path(place, name)
                if not path.is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def perform(runs: Sequence[Number], work: Work, workers: int) -> Iterator[Done]:
    """Do them, in any order. Raises :class:`RuntimeError` if a worker itself breaks down."""
    context = multiprocessing.get_context("fork")
    place = context.Value("l", 0)
    started: dict[multiprocessing.connection.Connection, Any] = {}
    for index in range(workers):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=_work, args=(runs, work, work.folder / f"worker-{index}", place, sender)
        )
        process.start()
        sender.close()
        started[receiver] = process
    try:
        while started:
            for receiver in multiprocessing.connection.wait(list(started)):
                assert isinstance(receiver, multiprocessing.connection.Connection)
                try:
                    yield receiver.recv()
                except EOFError:
                    process = started.pop(receiver)
                    process.join()
                    if process.exitcode:
                        raise RuntimeError(f"a worker ended with {process.exitcode}") from None
    finally:
        for process in started.values():
            process.kill()


def _work(runs: Sequence[Number], work: Work, private: Path, place: Any, sender: Any) -> None:
    become_subreaper()
    die_with_parent()
    while True:
        with place.get_lock():
            index = place.value
            place.value += 1
        if index >= len(runs):
            return
        try:
            sender.send(do(runs[index], work, private))
        except Exception as error:
            raise RuntimeError(f"{runs[index]} cannot be made") from error
