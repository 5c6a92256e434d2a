"""How candidates compare with the first: frozen values. They print nothing; writers do."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate

from .environment import Environment
from .protocol import Protocol, Rounds
from .report import Measurement
from .statistics import Interval, ratio_interval

__all__ = ["DEAD_BAND", "Comparison", "Pair", "Turn", "judge"]

DEAD_BAND = 0.02  # how far from 1 the whole interval must be for a verdict


@dataclass(frozen=True)
class Turn:
    """Every candidate ran so many ``queries`` in it, one candidate after the other."""

    round: int
    queries: int


@dataclass(frozen=True)
class Pair:
    """A candidate and the first: the time of the one over that of the other, below 1 if it is faster.

    ``cpu`` is by the processors' time, ``wall`` by the clock on the wall, each the median over the turns of
    the ratio of both medians; ``judged`` is the one that the verdict is made of. None without a whole turn.
    """

    row: int
    judged_by: str
    cpu: Interval | None
    wall: Interval | None

    @property
    def judged(self) -> Interval | None:
        return self.cpu if self.judged_by == "cpu" else self.wall

    @property
    def verdict(self) -> str:
        return judge(self.judged)

    def gate(self, max_regression: float) -> str:
        """``passed`` if it is shown to be slower by less than that, ``failed`` if by more, or ``not shown``."""
        if self.judged is None:
            return "not shown"
        if self.judged.high < 1 + max_regression:
            return "passed"
        return "failed" if self.judged.low > 1 + max_regression else "not shown"


@dataclass(frozen=True)
class Comparison:
    """What was measured. The samples of a row are those of its turns, one after the other.

    ``stopped`` says why there are fewer turns than planned: "interrupted" or "terminated".
    """

    protocol: Protocol
    rounds: Rounds
    environment: Environment
    judged_by: str
    rows: tuple[Measurement, ...]
    turns: tuple[Turn, ...] = ()
    stopped: str | None = None

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """One for every candidate but the first."""
        return tuple(self._pair(index) for index in range(1, len(self.rows)))

    @property
    def complete(self) -> bool:
        return self.stopped is None and all(row.complete for row in self.rows)

    @property
    def failed(self) -> list[Measurement]:
        return [row for row in self.rows if row.failure is not None]

    @property
    def rounds_run(self) -> int:
        return max((turn.round for turn in self.turns), default=0)

    @property
    def gate(self) -> str | None:
        """Of all pairs, the worst; None without a limit."""
        limit = self.rounds.max_regression
        if limit is None:
            return None
        found = {pair.gate(limit) for pair in self.pairs}
        return next(word for word in ("failed", "not shown", "passed") if word in found)

    def to_json(self) -> dict[str, object]:
        return {
            "schema_version": 1,
            "complete": self.complete,
            "stopped": self.stopped,
            "protocol": self.protocol.to_json(),
            "rounds": asdict(self.rounds) | {"run": self.rounds_run},
            "environment": self.environment.to_json(),
            "judged_by": self.judged_by,
            "gate": self.gate,
            "turns": [[turn.round, turn.queries] for turn in self.turns],
            "rows": [row.to_json() for row in self.rows],
            "pairs": [
                {
                    "row": pair.row,
                    "cpu": None if pair.cpu is None else asdict(pair.cpu),
                    "wall": None if pair.wall is None else asdict(pair.wall),
                    "verdict": pair.verdict,
                    "gate": None
                    if self.rounds.max_regression is None
                    else pair.gate(self.rounds.max_regression),
                }
                for pair in self.pairs
            ],
        }

    def turn_ratios(self, index: int) -> list[float]:
        """A candidate's median over the first's in every turn that both have finished, by the clock that judges.

        The verdict's value is the median of these.
        """
        return [above / below for above, below in self._turn_medians(index, self.judged_by)]

    def _pair(self, index: int) -> Pair:
        return Pair(index, self.judged_by, self._ratio(index, "cpu"), self._ratio(index, "wall"))

    def _ratio(self, index: int, clock: str) -> Interval | None:
        pairs = self._turn_medians(index, clock)
        if not pairs:
            return None
        return ratio_interval([above for above, _ in pairs], [below for _, below in pairs])

    def _turn_medians(self, index: int, clock: str) -> list[tuple[float, float]]:
        """Of a candidate and the first, over the turns that both have finished. A clock that stood still in
        one gives none."""
        other, first = (
            self._medians(row.cpu_ns if clock == "cpu" else row.wall_ns)
            for row in (self.rows[index], self.rows[0])
        )
        pairs = list(zip(other, first))
        return pairs if all(above > 0 and below > 0 for above, below in pairs) else []

    def _medians(self, samples: Sequence[int]) -> Iterator[float]:
        """The median of every turn."""
        ends = accumulate(turn.queries for turn in self.turns)
        for turn, end in zip(self.turns, ends):
            if end > len(samples):
                return
            yield statistics.median(samples[end - turn.queries : end])


def judge(interval: Interval | None) -> str:
    """``faster`` or ``slower`` if the whole interval is, by more than the dead band; else ``no verdict``."""
    if interval is not None and interval.high < 1 - DEAD_BAND:
        return "faster"
    if interval is not None and interval.low > 1 + DEAD_BAND:
        return "slower"
    return "no verdict"
