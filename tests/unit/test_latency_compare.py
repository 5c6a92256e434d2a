"""Taking turns, the ratio that comes of it, the verdict and the limit. No time is measured here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from cloformer.errors import UsageError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.latency import turns as module
from cloformer.export.latency.candidates import Candidate
from cloformer.export.latency.comparison import Comparison, Pair, judge
from cloformer.export.latency.messages import Task
from cloformer.export.latency.parent import Loaded, Times, WorkerError
from cloformer.export.latency.protocol import Protocol, Rounds, protocol
from cloformer.export.latency.statistics import Interval
from cloformer.export.latency.turns import compare
from cloformer.export.reports.latency import comparison_text as table
from cloformer.export.schemas import schema
from cloformer.export.source.shares import parse_share
from cloformer.io.progress import Progress, done_of

SECOND = 10**9


@pytest.fixture
def artifact(small: Path) -> Artifact:
    return read_artifact(small)


@pytest.fixture
def rules() -> Protocol:
    return protocol("rapid", runs=60, min_seconds=0.0)


class _Bench:
    """Workers whose queries take ``times[seed of the task's place]`` seconds; the nth started process of a
    candidate can fail."""

    def __init__(self, times: dict[int, list[float]], fails: dict[int, int] | None = None) -> None:
        self.times, self.fails = times, fails or {}
        self.started: list[int] = []
        self.turns: list[int] = []

    @contextmanager
    def start(self, threads: int, deadline: float) -> Iterator[_Worker]:
        yield _Worker(self, threads)


class _Worker:
    """``threads`` says which candidate it is: nothing else tells two workers of one artifact apart."""

    def __init__(self, bench: _Bench, which: int) -> None:
        self.bench, self.which, self.deadline, self.done = bench, which, 0.0, 0
        self.index = bench.started.count(which)
        bench.started.append(which)

    def load(self, task: Task) -> Loaded:
        return Loaded(1, 2)

    def first(self) -> Times:
        return Times((SECOND,), (SECOND,))

    def warm_up(self, queries: int, seconds: float) -> int:
        return queries

    def run(self, queries: int) -> Times:
        self.bench.turns.append(self.which)
        if self.bench.fails.get(self.which) == self.index:
            raise WorkerError("running: it crashed with SIGSEGV")
        times = self.bench.times[self.which]
        wall = tuple(int(times[(self.done + k) % len(times)] * SECOND) for k in range(queries))
        self.done += queries
        return Times(wall, wall)


def _candidates(artifact: Artifact, count: int) -> list[Candidate]:
    return [Candidate(artifact, "onnxruntime", threads) for threads in range(1, count + 1)]


def _measure(
    monkeypatch: pytest.MonkeyPatch,
    artifact: Artifact,
    bench: _Bench,
    rules: Protocol,
    rounds: Rounds,
    progress: Progress = lambda _: None,
) -> Comparison:
    monkeypatch.setattr(module, "worker", bench.start)
    return compare(_candidates(artifact, len(bench.times)), rules, rounds, progress)


def test_every_round_has_fresh_processes_that_take_turns(
    monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol
) -> None:
    bench = _Bench({1: [0.010], 2: [0.012], 3: [0.008]})
    # A turn is made of what the warm-up took, which is nothing here: so many queries as there may be.
    told: list[str] = []
    found = _measure(
        monkeypatch,
        artifact,
        bench,
        replace(rules, min_queries=6),
        Rounds(turn_seconds=1e-9, turns=1),
        told.append,
    )
    shares = [share for share in map(done_of, told) if share is not None]
    assert shares == sorted(shares)
    assert len(shares) == 6 and shares[1::2] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert bench.started == [1, 2, 3] * 3
    assert bench.turns == [1, 2, 3, 2, 3, 1] * 3
    assert [(turn.round, turn.queries) for turn in found.turns] == [(n, 1) for n in (1, 1, 2, 2, 3, 3)]
    assert [len(row.wall_ns) for row in found.rows] == [6, 6, 6]
    assert found.complete and found.judged_by == "wall"  # one of them has two threads
    slower, faster = found.pairs
    assert slower.wall == Interval(1.2, 1.2, 1.2, 0.99) and slower.verdict == "slower"
    assert faster.wall == Interval(0.8, 0.8, 0.8, 0.99) and faster.verdict == "faster"
    assert faster.cpu == faster.wall


def test_one_thread_is_judged_by_processor_time(
    monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol
) -> None:
    bench = _Bench({1: [0.010]})
    monkeypatch.setattr(module, "worker", bench.start)
    found = compare([*_candidates(artifact, 1)] * 2, rules, Rounds())
    assert found.judged_by == "cpu" and found.pairs[0].verdict == "no verdict"


def test_the_ratio_is_the_median_over_turns(
    monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol
) -> None:
    """A query that takes a hundred times as long moves no median."""
    bench = _Bench({1: [0.010], 2: [0.011, 0.011, 0.011, 1.0]})
    monkeypatch.setattr(module, "_MAX_QUERIES", 4)
    (pair,) = _measure(monkeypatch, artifact, bench, rules, Rounds()).pairs
    assert pair.wall is not None and pair.wall.low == pair.wall.high == pytest.approx(1.1)


def test_rounds_are_added_until_the_limit_is_decided(
    monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol
) -> None:
    monkeypatch.setattr(module, "_MAX_QUERIES", 1)
    undecided = {1: [0.010], 2: [0.0100, 0.0109]}  # about the limit, half of the turns on either side
    for times, limit, rounds, gate in (
        ({1: [0.010], 2: [0.0102]}, 0.05, 3, "passed"),
        ({1: [0.010], 2: [0.0106]}, 0.05, 3, "failed"),
        (undecided, 0.05, 5, "not shown"),
        (undecided, None, 3, None),
    ):
        settings = Rounds(most=5, max_regression=limit)
        found = _measure(monkeypatch, artifact, _Bench(times), rules, settings)
        assert (found.rounds_run, found.gate) == (rounds, gate)
        line = table.gate_line(found)
        assert (line is None) == (gate is None)
        assert line is None or line.startswith("PASS" if gate == "passed" else "FAIL")


def test_one_that_fails_is_a_row_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol
) -> None:
    bench = _Bench({1: [0.010], 2: [0.010], 3: [0.012]}, fails={2: 1})
    found = _measure(monkeypatch, artifact, bench, rules, Rounds(max_regression=0.5, most=3))
    assert [row.failure is None for row in found.rows] == [True, False, True]
    assert not found.complete and [row.complete for row in found.rows] == [True, False, True]
    assert found.rounds_run == 3 and found.pairs[1].verdict == "slower"
    assert "could not be measured" in table.verdict_line(found, found.pairs[0])
    assert "1 of 3 candidates could not be measured" in table.render(found)


def test_nothing_is_left_to_compare_when_the_first_fails(
    monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol
) -> None:
    bench = _Bench({1: [0.010], 2: [0.010]}, fails={1: 0})
    found = _measure(monkeypatch, artifact, bench, rules, Rounds(max_regression=0.5))
    assert bench.turns == [1, 2] or bench.turns == [1]
    assert found.rows[0].failure and found.pairs[0].wall is None and found.gate == "not shown"


def test_no_run_is_longer_than_the_longest(
    monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol
) -> None:
    found = _measure(
        monkeypatch, artifact, _Bench({1: [100.0], 2: [100.0]}), rules, Rounds(turn_seconds=1e-9, turns=1)
    )
    assert found.rounds_run == 3 and len(found.turns) == 6  # 2 turns of 100 s are a third of 600 s


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.90, 0.979, "faster"),
        (0.90, 0.98, "no verdict"),
        (0.99, 1.01, "no verdict"),
        (1.02, 1.10, "no verdict"),
        (1.021, 1.10, "slower"),
    ],
)
def test_a_verdict_is_beyond_two_percent(low: float, high: float, word: str) -> None:
    assert judge(Interval(low, (low + high) / 2, high, 0.99)) == word
    assert judge(None) == "no verdict"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.9, 1.049, "passed"), (0.9, 1.05, "not shown"), (1.05, 1.2, "not shown"), (1.051, 1.2, "failed")],
)
def test_the_limit_is_kept_by_the_whole_interval(low: float, high: float, word: str) -> None:
    assert Pair(1, "cpu", Interval(low, 1.0, high, 0.99), None).gate(0.05) == word
    assert Pair(1, "wall", Interval(low, 1.0, high, 0.99), None).gate(0.05) == "not shown"


def test_json_follows_both_schemas(
    monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol
) -> None:
    found = _measure(monkeypatch, artifact, _Bench({1: [0.01], 2: [0.02]}), rules, Rounds(max_regression=0.1))
    document = json.loads(json.dumps(found.to_json()))
    jsonschema.Draft202012Validator.check_schema(schema("comparison"))
    jsonschema.Draft202012Validator(schema("comparison")).validate(document)
    as_latency = {
        "schema_version": 1, "complete": True, "stopped": None, "planned": 2,
        **{name: document[name] for name in ("protocol", "environment", "rows")},
    }  # fmt: skip
    jsonschema.Draft202012Validator(schema("latency")).validate(as_latency)
    assert document["gate"] == "failed" and document["rounds"]["run"] == 3


def test_the_table(monkeypatch: pytest.MonkeyPatch, artifact: Artifact, rules: Protocol) -> None:
    found = _measure(monkeypatch, artifact, _Bench({1: [0.01], 2: [0.02], 3: [0.005]}), rules, Rounds())
    text = table.render(replace(found, stopped="interrupted"))
    assert max(map(len, text.splitlines())) <= 110
    for words in (
        "host CPU, single stream", "3 rounds of fresh processes", "judged by wall time", "2.000 (2.000 to 2.000)",
        "B against A: slower: it takes 2.000 times as long", "C against A: faster: 2.000 times as fast",
        "INCOMPLETE: interrupted in round 3",
    ):  # fmt: skip
        assert words in text, words


def test_shares() -> None:
    assert parse_share("--max-regression", "5%") == parse_share("--max-regression", " 0.05 ") == 0.05
    for text in ("", "%", "five", "-1%", "101%", "101", "nan"):
        with pytest.raises(UsageError, match=r"--max-regression takes 5%, or 0\.05"):
            parse_share("--max-regression", text)
    with pytest.raises(UsageError, match=r"--min-top1 takes 91%, or 0\.91"):
        parse_share("--min-top1", "91")
