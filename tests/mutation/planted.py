"""Faults in the files of LiteRT and ExecuTorch, each tried in a process of its own: the runtime may end with it."""

# ruff: noqa: T201 - a program, whose result is what it prints

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import torch
from benchmarks.markdown import replace_between

from cloformer.export.parity.verify import ParityRequest, compare

from .stored import DOCUMENT
from .subject import COUNTS, Subject, Trial
from .tables import by, missed, share

__all__ = ["Say", "Sound", "false_alarms", "report"]

COUNTED_AT_LEAST = 120
CAUGHT_AT_LEAST = 0.98

Say: TypeAlias = Callable[[str], None]
Sound: TypeAlias = tuple[Subject, list[str]]  # and what parity says against it as it is
Kind = TypeVar("Kind", bound=Subject)


def false_alarms(subject: Subject, request: ParityRequest) -> list[str]:
    """What parity says against the artifact as it is, on photographs and on other noise."""
    found = compare(subject.artifact, request)
    alarms = [*map(str, found.failures), *found.not_compared, *subject.false_alarms(range(1, 6))]
    return [f"{subject.name}: {item}" for item in alarms]


@dataclass(frozen=True)
class _Score:
    """``ended`` are the faults that ended the process they were tried in."""

    trials: Sequence[Trial]
    ended: Sequence[str]
    alarms: Sequence[str]
    least_named: float

    @property
    def counted(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.counts and not _is_harmless(trial)]

    @property
    def shares(self) -> tuple[float, float]:
        """Of those that count, caught and named."""
        return share(self.counted, lambda trial: trial.caught), share(self.counted, lambda trial: trial.named)

    def lines(self) -> list[str]:
        """The result in Markdown."""
        trials, counted = self.trials, self.counted
        refused, (caught, named) = sum(trial.refused is not None for trial in trials), self.shares
        return [
            f"{len(trials) + len(self.ended)} faults planted; {len(counted)} count, {refused} made files that are refused, "
            f"{len(self.ended)} ended the process,",
            f"{sum(not trial.counts and trial.refused is None for trial in trials)} changed their operator by less than "
            f"{COUNTS:g} roundings, {sum(map(_is_harmless, trials))} left every output as it was to the last bit and were not told.",
            f"Caught: {caught:.1%}. Named: {named:.1%}. Sound files that fail: {len(self.alarms)}.",
            "",
            *by("artifact", counted, lambda trial: trial.subject, trials),
            "",
            *by("fault", counted, lambda trial: trial.fault, trials),
            "",
            *missed(counted),
            *(f"- the process ended: {words}" for words in self.ended),
            *(f"- false alarm: {words}" for words in self.alarms),
        ]

    def failures(self) -> list[str]:
        """The bounds that are not kept."""
        caught, named = self.shares
        bounds = {
            f"{len(self.counted)} faults counted": len(self.counted) >= COUNTED_AT_LEAST,
            f"{caught:.1%} caught": caught >= CAUGHT_AT_LEAST,
            f"{named:.1%} named": named >= self.least_named,
            f"{len(self.ended)} processes ended": not self.ended,
            f"{len(self.alarms)} false alarms": not self.alarms,
        }
        return [words for words, kept in bounds.items() if not kept]


def _is_harmless(trial: Trial) -> bool:
    """Whether a fault inside changes no output at all, on any of parity's inputs: an axis of size 1 moved, of which the next operator
    makes the same. Not to tell it is right."""
    return trial.counts and not trial.caught and trial.excess == 0


def report(
    description: str,
    names: Iterable[str],
    subjects: Callable[[str | None, Path, Say], list[Sound]],
    try_one: Callable[[Kind, int], Trial],
    *,
    marks: tuple[str, str],
    seeds: range,
    named: float,
) -> int:
    """The command line of a program that plants a fault by each of ``seeds`` with ``try_one`` in the ``subjects``, in turn: prints the
    tables, and is 1 if a bound is not kept."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--only", choices=list(names), help="one network alone")
    parser.add_argument("--faults", type=int, default=len(seeds), help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=seeds.start, help="the first fault's (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything that was planted and found")
    given = parser.parse_args()
    torch.set_num_threads(1)
    start = time.monotonic()
    trials: list[Trial] = []
    ended: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        made = subjects(given.only, Path(folder), _say)
        for seed in range(given.seed, given.seed + given.faults):
            subject = made[seed % len(made)][0]
            trial = _alone(lambda: try_one(subject, seed))  # type: ignore[arg-type]  # noqa: B023 - used at once
            if trial is None:
                ended.append(f"seed {seed}, {subject.name}")
            else:
                trials.append(trial)
            _say(_told(seed, trial))
    score = _Score(trials, ended, [alarm for _, alarms in made for alarm in alarms], named)
    print("\n".join(score.lines()))
    print(f"{(time.monotonic() - start) / 60:.0f} minutes")
    for failure in score.failures():
        print(f"FAIL {failure}")
    if given.write:
        replace_between(DOCUMENT, *marks, [*score.lines(), ""])
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(trial) for trial in trials], indent=2) + "\n", "utf-8")
    return int(bool(score.failures()))


def _alone(work: Callable[[], Trial]) -> Trial | None:
    """What ``work`` gives in a process of its own; None if the runtime ended that."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            os.write(writing, json.dumps(asdict(work())).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        data = told.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        return None
    if code:
        raise RuntimeError("a fault could not be tried")
    found = json.loads(data)
    return Trial(**{**found, "site": tuple(found["site"])})


def _told(seed: int, trial: Trial | None) -> str:
    if trial is None:
        return f"fault {seed}: the process ended"
    outcome = f"refused: {trial.refused}" if trial.refused else f"changed by {trial.change:.1f}"
    counts = trial.counts and not _is_harmless(trial)
    found = f"caught {trial.caught}, named {trial.named}" if counts else "does not count"
    return f"fault {seed}: {trial.subject}: {trial.fault}: {trial.kind}: {trial.what}: {outcome}; {found}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
