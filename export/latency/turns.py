"""From candidates to a :class:`Comparison`: they take turns, so that what disturbs one disturbs all.

In each round every candidate has a fresh process: where a process's memory happens to lie can cost a percent,
and would otherwise count as the model's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from cloformer.io.progress import Progress, Stage

from .candidates import Candidate
from .comparison import Comparison, Turn
from .environment import environment, explain_load, read_load, usable_processors
from .measure import describe, package_versions
from .parent import Worker, WorkerError, worker
from .protocol import Protocol, Rounds

__all__ = ["compare"]

OnChange = Callable[[Comparison], None]

_MAX_QUERIES = 10_000  # in a turn


def compare(
    candidates: Sequence[Candidate],
    protocol: Protocol,
    rounds: Rounds,
    progress: Progress = lambda _: None,
    on_change: OnChange = lambda _: None,
) -> Comparison:
    """Measure all candidates in turns, and each against the first; one that crashes or hangs is a row that says so.

    ``candidates`` come from :func:`.candidates.plan`; ``protocol`` says how many queries and seconds each takes.

    There are ``rounds.least`` rounds, and with a limit as many more, up to ``rounds.most``, as it takes to
    show that every candidate keeps it or that one does not. ``on_change`` is given the comparison so far whenever
    there is more of it. Raises :class:`MissingRuntimeError` for a package that is not installed.
    """
    here = environment(package_versions(candidates))
    rows = tuple(describe(candidate, here.versions) for candidate in candidates)
    judged_by = "cpu" if all(_is_one_thread(candidate) for candidate in candidates) else "wall"
    run = _Run(candidates, Comparison(protocol, rounds, here, judged_by, rows), progress, on_change)
    run.measure()
    return run.found


def _is_one_thread(candidate: Candidate) -> bool:
    """Whether the time of the processors is that of the work: threads that wait for others spend it too."""
    return candidate.threads == 1 and candidate.row.obeys_threads


class _Run:
    """The measurement. ``found`` is what is known so far."""

    def __init__(
        self, candidates: Sequence[Candidate], found: Comparison, progress: Progress, on_change: OnChange
    ) -> None:
        self._candidates, self.found = candidates, found
        self._progress, self._on_change = progress, on_change

    def measure(self) -> None:
        before = read_load()
        for index in range(len(self._candidates)):
            self._note(index, load_before=before)
        for number in range(1, self.found.rounds.most + 1):
            if number > self.found.rounds.least and self.found.gate in (None, "passed", "failed"):
                break
            with ExitStack() as stack:
                self._round(number, stack)
            if not self._is_comparable():
                break
        after = read_load()
        disturbed = explain_load(before, after, len(usable_processors()))
        for index, row in enumerate(self.found.rows):
            self._note(index, load_after=after, disturbed=disturbed, complete=row.failure is None)

    def _round(self, number: int, stack: ExitStack) -> None:
        """Fresh processes, and turns until each candidate has its share of the queries and seconds."""
        protocol, least = self.found.protocol, self.found.rounds.least
        running: dict[int, Worker] = {}
        slowest = 0.0
        for index in range(len(self._candidates)):
            if self.found.rows[index].failure is None:
                self._progress(f"{self._round_name(number)}: loading {self.found.rows[index].artifact}")
                with self._failing(index):
                    running[index], seconds = self._start(index, stack)
                    slowest = max(slowest, seconds)
        turns, spent = 0, dict.fromkeys(running, 0.0)
        each = max(1, min(int(self.found.rounds.turn_seconds / max(slowest, 1e-9)), _MAX_QUERIES))
        self._progress(self._round_name(number))
        while self._is_comparable() and (
            turns < self.found.rounds.turns
            or turns * each * least < protocol.min_queries
            or min(spent[index] for index in self._alive(running)) * least < protocol.min_seconds
        ):
            if max(spent.values()) * least >= protocol.max_seconds:
                break
            for index in _rotated(self._alive(running), turns):
                with self._failing(index):
                    spent[index] += self._take_turn(index, running[index], each)
            turns += 1
            shares = (
                turns / self.found.rounds.turns,
                turns * each * least / protocol.min_queries,
                min((spent[index] for index in self._alive(running)), default=0.0)
                * least
                / max(protocol.min_seconds, 1e-9),
            )
            behind = min(1.0, max(min(shares), max(spent.values()) * least / protocol.max_seconds))
            self._progress(Stage(self._round_name(number), (number - 1 + behind) / max(number, least)))
            self._become(replace(self.found, turns=(*self.found.turns, Turn(number, each))))

    def _start(self, index: int, stack: ExitStack) -> tuple[Worker, float]:
        """A process that is warm, and how long its queries take, in seconds."""
        protocol, candidate, row = self.found.protocol, self._candidates[index], self.found.rows[index]
        running = stack.enter_context(worker(candidate.threads, time.monotonic() + protocol.time_limit))
        is_first = row.warm_up_queries == 0
        loaded = running.load(candidate.task(protocol, check=is_first))
        first = running.first()
        if is_first and candidate.row.has_a_start:
            self._note(index, load_ns=loaded.load_ns, first_ns=first.wall_ns[0])
        started = time.monotonic()
        done = running.warm_up(protocol.warm_up_queries, protocol.warm_up_seconds)
        self._note(index, warm_up_queries=self.found.rows[index].warm_up_queries + done)
        return running, (time.monotonic() - started) / done

    def _take_turn(self, index: int, running: Worker, queries: int) -> float:
        """Its seconds."""
        running.deadline = time.monotonic() + self.found.protocol.time_limit
        running.warm_up(1, 0.0)  # the caches are another candidate's
        times, row = running.run(queries), self.found.rows[index]
        self._note(index, wall_ns=row.wall_ns + times.wall_ns, cpu_ns=row.cpu_ns + times.cpu_ns)
        return sum(times.wall_ns) / 1e9

    def _alive(self, indices: Sequence[int] | dict[int, Worker]) -> list[int]:
        return sorted(index for index in indices if self.found.rows[index].failure is None)

    def _is_comparable(self) -> bool:
        """Whether the first and another have not failed."""
        alive = self._alive(range(len(self._candidates)))
        return 0 in alive and len(alive) > 1

    def _round_name(self, number: int) -> str:
        return f"round {number} of {self.found.rounds.least if number <= self.found.rounds.least else self.found.rounds.most}"

    @contextmanager
    def _failing(self, index: int) -> Iterator[None]:
        try:
            yield
        except WorkerError as error:
            self._note(index, failure=str(error))

    def _note(self, index: int, **found: object) -> None:
        rows = list(self.found.rows)
        rows[index] = replace(rows[index], **found)  # type: ignore[arg-type]
        self._become(replace(self.found, rows=tuple(rows)))

    def _become(self, found: Comparison) -> None:
        self.found = found
        self._on_change(found)


def _rotated(indices: list[int], turn: int) -> list[int]:
    """Each is first as often as any other: this process works before the first one does, and disturbs it."""
    first = turn % len(indices) if indices else 0
    return indices[first:] + indices[:first]
