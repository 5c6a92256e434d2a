"""What an inference takes: what is made of the system's counter and of Valgrind's, and which limits are kept."""

from __future__ import annotations

import ctypes
import errno
import io
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloformer.errors import CloformerError, MissingRuntimeError, UnsupportedError, UsageError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.latency import counting, environment, perf_event, valgrind
from cloformer.export.latency import worker as worker_module
from cloformer.export.latency.candidates import Candidate, plan
from cloformer.export.latency.counting import count_inference, plan_counting
from cloformer.export.latency.messages import BadMessageError, Task, decode, encode, read_names
from cloformer.export.latency.parent import Executed, Loaded, Times, WorkerError, worker
from cloformer.export.latency.perf_event import InstructionCounter, attributes, explain_absence
from cloformer.export.latency.protocol import Counting, Protocol, protocol
from cloformer.export.latency.report import LatencyReport, Measurement
from cloformer.export.latency.valgrind import Valgrind, read_total
from cloformer.export.reports.latency import text as latency

LIMIT = 60.0
ABSENT = "perf_event_open: there are no counters"


class _Counter:
    """The system's calls: a file, and what is read of it, one reading after the other."""

    def __init__(self, *readings: bytes) -> None:
        self.readings = list(readings)
        self.described = b""

    def open(self, described: bytes) -> int:
        self.described = described
        return os.open(os.devnull, os.O_RDONLY)

    def read(self, file: int, size: int) -> bytes:
        assert size == 24
        return self.readings.pop(0)


def _reading(value: int, enabled: int, running: int) -> bytes:
    return struct.pack("=QQQ", value, enabled, running)


def _counted(*readings: bytes) -> int:
    system = _Counter(*readings)
    counter = InstructionCounter(system.open, system.read)
    try:
        return perf_event.count(counter, lambda: None)
    finally:
        counter.close()


def test_what_the_system_is_asked_for() -> None:
    """As linux/perf_event.h lays it out: user space alone, threads too, and how long it was at work."""
    kind, size, config = struct.unpack_from("=IIQ", attributes(), 0)
    period, samples, read_format, flags = struct.unpack_from("=QQQQ", attributes(), 16)
    assert len(attributes()) == size == 64
    assert (kind, config) == (0, 1)  # PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS
    assert (period, samples, read_format) == (0, 0, 0b11)
    assert flags == 1 << 1 | 1 << 5 | 1 << 6  # inherit, exclude_kernel, exclude_hv; not disabled


def test_a_count_is_the_difference() -> None:
    assert _counted(_reading(100, 50, 50), _reading(1_000_100, 90, 90)) == 1_000_000
    # The counter shared its registers before, and no longer.
    assert _counted(_reading(100, 50, 20), _reading(300, 90, 60)) == 200


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (_reading(100, 90, 90), "stands still"),
        (_reading(0, 0, 0), "stands still"),
        (_reading(500, 90, 70), "at work for 50% of the time"),
        (_reading(500, 90, 50), "at work for 0% of the time"),
        (b"", "gives no number"),
        (b"12345678", "gives no number"),
    ],
)
def test_a_count_that_is_not_exact_is_none(after: bytes, words: str) -> None:
    before = _reading(0, 0, 0) if after == _reading(0, 0, 0) else _reading(100, 50, 50)
    with pytest.raises(UnsupportedError, match=words):
        _counted(before, after)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "virtual machines"),
        (errno.EOPNOTSUPP, "virtual machines"),
        (errno.ENODEV, "virtual machines"),
        (errno.EACCES, "perf_event_paranoid"),
        (errno.EPERM, "perf_event_paranoid"),
        (errno.ENOSYS, "no perf_event_open"),
        (errno.EMFILE, os.strerror(errno.EMFILE)),
    ],
)
def test_why_there_is_no_counter(number: int, words: str) -> None:
    def refuse(described: bytes) -> int:
        raise OSError(number, os.strerror(number))

    assert words in (explain_absence(refuse) or "")
    with pytest.raises(UnsupportedError, match="perf_event_open: "):
        InstructionCounter(refuse)


def test_a_counter_is_tried_before_it_counts_as_there() -> None:
    assert explain_absence(*_calls(_reading(0, 0, 0), _reading(50_000, 9, 9))) is None
    assert "stands still" in (explain_absence(*_calls(_reading(0, 0, 0), _reading(0, 9, 9))) or "")

    def fail(file: int, size: int) -> bytes:
        raise OSError(errno.EBADF, "bad file")

    assert "cannot be read: bad file" in (explain_absence(_Counter().open, fail) or "")


def _calls(*readings: bytes) -> tuple[Any, Any]:
    system = _Counter(*readings)
    return system.open, system.read


def test_the_system_takes_the_call_and_counts_threads() -> None:
    """With a clock in the place of the processor's counter, which most virtual machines do not have."""
    software, task_clock = 1, 1  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK: nanoseconds of processor time

    def clock(described: bytes) -> int:
        assert described[:16] == struct.pack("=IIQ", 0, 64, 1)
        return perf_event._open(struct.pack("=IIQ", software, 64, task_clock) + described[16:])

    try:
        counter = InstructionCounter(clock)
    except UnsupportedError as error:
        pytest.skip(str(error))

    def in_a_thread() -> None:
        thread = threading.Thread(target=lambda: sum(range(3_000_000)))
        thread.start()
        thread.join()

    before = time.process_time_ns()
    counted = perf_event.count(counter, in_a_thread)
    used = time.process_time_ns() - before
    counter.close()
    assert counted == pytest.approx(used, rel=0.3)


def test_other_systems_and_processors_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf_event.platform, "machine", lambda: "s390x")
    assert "no perf_event_open" in (explain_absence() or "")
    monkeypatch.setattr(perf_event.sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert "no perf_event_open" in (explain_absence() or "")


class _Subject:
    inputs: Any

    def __init__(self, artifact: Artifact) -> None:
        from cloformer.export.reference.cases import Inputs

        self.inputs = Inputs.of(artifact.function)
        self.called: list[int] = []

    def check(self) -> None: ...

    def load(self) -> None: ...

    def prepare(self, fed: Mapping[str, Any]) -> Callable[[], Any]:
        return lambda: self.called.append(1)


def test_the_worker_counts_nothing_but_the_calls(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter is opened when it is asked to watch: before the runtime makes its threads."""
    subject, read = _Subject(read_artifact(small)), []

    def reading(file: int, size: int) -> bytes:
        read.append(len(subject.called))
        return _reading(10 * len(subject.called), 5, 5)

    monkeypatch.setattr(worker_module, "open_subject", lambda *_: subject)
    monkeypatch.setattr(
        worker_module, "InstructionCounter", lambda: InstructionCounter(_Counter().open, reading)
    )
    task = Task(str(small), "onnxruntime", 1, None, None, None, 0, 1, check=False, forget=False)
    orders = [{"do": "watch"}, {"do": "load", **task.to_json()}, {"do": "count", "queries": 7}]
    answers = io.BytesIO()
    worker_module.serve(io.BytesIO(b"".join(encode(order) for order in orders)), answers)
    told = [decode(line) for line in answers.getvalue().splitlines()]
    assert told[0] == {} and told[2] == {"instructions": 70}
    assert read == [0, 7]


def test_a_system_without_a_counter_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise UnsupportedError(ABSENT, "do this")

    monkeypatch.setattr(worker_module, "InstructionCounter", refuse)
    answers = io.BytesIO()
    worker_module.serve(io.BytesIO(encode({"do": "watch"})), answers)
    assert decode(answers.getvalue()) == {"error": [ABSENT, "do this"]}


@pytest.mark.parametrize("names", [None, "MatMul", [1], {"a": 1}])
def test_names_that_are_none(names: object) -> None:
    with pytest.raises(BadMessageError):
        read_names({"uncounted": names}, "uncounted")
    assert read_names({"uncounted": ["x" * 999] * 99}, "uncounted") == ("x" * 100,) * 20


def test_what_the_runtime_executes(small: Path) -> None:
    task = Task(str(small), "onnxruntime", 1, None, None, None, 0, 1, check=True, forget=False)
    with worker(1, time.monotonic() + LIMIT) as running:
        running.load(task)
        found = running.executed()
    assert found.multiply_adds == read_artifact(small).manifest.model.multiply_adds
    assert 5 < found.operators < 60 and found.uncounted == ()


COUNTS = "desc: I1 cache: 32768 B\ncmd: events: Dr\nevents: Ir\nfl=a\nfn=summary: 3\n1 2\nsummary: {}\n"


@pytest.mark.parametrize(("summary", "total"), [("795112674", 795112674), ("12 3 4", 12)])
def test_what_valgrind_wrote(tmp_path: Path, summary: str, total: int) -> None:
    (tmp_path / "counts").write_text(COUNTS.format(summary))
    assert read_total(tmp_path / "counts") == total


@pytest.mark.parametrize("text", ["", "events: Ir\n", COUNTS.format("x"), COUNTS.format("-1"),
                                  "events: Dr\nsummary: 3\n", "events:\nsummary:\n"])  # fmt: skip
def test_what_valgrind_did_not_write(tmp_path: Path, text: str) -> None:
    with pytest.raises(WorkerError, match="wrote no counts"):
        read_total(tmp_path / "counts")
    (tmp_path / "counts").write_text(text)
    with pytest.raises(WorkerError, match="is not understood"):
        read_total(tmp_path / "counts")


@pytest.mark.skipif(sys.platform != "linux", reason="Valgrind is looked for on Linux alone")
def test_the_valgrind_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert valgrind.find() is None
    program = tmp_path / "valgrind"
    for script, found in {
        "echo valgrind-3.99.0": Valgrind(str(program), "valgrind-3.99.0"),
        "exit 1": None,
        "true": None,
    }.items():
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert valgrind.find() == found


class _Emulated:
    """Workers under Valgrind, every query of which takes ``each`` instructions, an order a thousand, and a
    million all else."""

    def __init__(self, each: int, first_ns: int) -> None:
        self.each, self.first_ns = each, first_ns
        self.queries: list[int] = []

    @contextmanager
    def start(self, threads: int, deadline: float, under: Sequence[str]) -> Iterator[_Emulated]:
        assert threads == 1 and under[0] == "valgrind" and {"--cache-sim=no", "--vgdb=no"} <= set(under)
        self.folder = Path(under[-1].removeprefix("--cachegrind-out-file=").removesuffix("/%p"))
        yield self

    def load(self, task: Task) -> None: ...

    def first(self) -> Times:
        return Times((10**12,), (self.first_ns,))

    def fork(self, queries: int) -> int:
        self.queries.append(queries)
        orders = len(self.queries)
        total = 1_000_000 + 1_000 * orders + self.each * queries
        (self.folder / str(orders)).write_text(COUNTS.format(total))
        return orders


@pytest.fixture
def task(small: Path) -> Task:
    return Task(str(small), "onnxruntime", 1, None, None, None, 0, 1, check=False, forget=False)


@pytest.mark.parametrize(
    ("first_ns", "more"), [(44 * 10**9, 1), (5 * 10**9, 2), (3 * 10**9, 4), (10**6, 100), (0, 100)]
)
def test_forks_under_valgrind_are_subtracted(
    monkeypatch: pytest.MonkeyPatch, task: Task, first_ns: int, more: int
) -> None:
    """As many inferences as take about 10 s of the processor's time, on a busy machine too."""
    emulated = _Emulated(70_003, first_ns)
    monkeypatch.setattr(valgrind, "worker", emulated.start)
    assert Valgrind("valgrind", "").count(task, time.monotonic() + LIMIT) == 70_003
    assert emulated.queries == [0, 0, more]
    assert not emulated.folder.exists()


def test_inferences_that_take_nothing_are_no_count(monkeypatch: pytest.MonkeyPatch, task: Task) -> None:
    monkeypatch.setattr(valgrind, "worker", _Emulated(0, 10**9).start)
    with pytest.raises(WorkerError, match="took no instructions"):
        Valgrind("valgrind", "").count(task, time.monotonic() + LIMIT)


def test_where_counts_are_left(tmp_path: Path) -> None:
    """A per cent sign in a folder's name is not Valgrind's."""
    assert Valgrind("v", "").command(tmp_path / "50%p")[-1].endswith("/50%%p/%p")


def test_a_fork_runs_the_queries_and_ends(small: Path, task: Task) -> None:
    """The worker answers after it as before."""
    with worker(1, time.monotonic() + LIMIT) as running:
        running.load(task)
        number = running.fork(2)
        assert number > 1 and len(running.run(2).wall_ns) == 2
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_a_fork_that_fails(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = _Subject(read_artifact(small))

    def fail() -> None:
        raise RuntimeError("not today")

    monkeypatch.setattr(subject, "prepare", lambda fed: fail)
    monkeypatch.setattr(worker_module, "open_subject", lambda *_: subject)
    task = Task(str(small), "onnxruntime", 1, None, None, None, 0, 1, check=False, forget=False)
    orders = [{"do": "load", **task.to_json()}, {"do": "fork", "queries": 1}]
    answers = io.BytesIO()
    worker_module.serve(io.BytesIO(b"".join(encode(order) for order in orders)), answers)
    assert "was to run the queries failed" in decode(answers.getvalue().splitlines()[1])["error"][0]


@pytest.fixture
def artifact(small: Path) -> Artifact:
    return read_artifact(small)


def _there(monkeypatch: pytest.MonkeyPatch, *, perf: bool, emulated: bool) -> None:
    monkeypatch.setattr(counting.perf_event, "explain_absence", lambda: None if perf else ABSENT)
    monkeypatch.setattr(
        counting.valgrind, "find", lambda: Valgrind("valgrind", "valgrind-3.99.0") if emulated else None
    )


@pytest.mark.parametrize(
    ("perf", "emulated", "counter", "found"),
    [
        (True, True, "auto", "perf_event"),
        (False, True, "auto", "valgrind"),
        (True, True, "valgrind", "valgrind"),
        (False, False, "auto", None),
    ],
)
def test_which_counter_counts(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, perf: bool, emulated: bool, counter: str, found: str
) -> None:
    _there(monkeypatch, perf=perf, emulated=emulated)
    planned = plan_counting(plan([artifact], [], protocol("rapid")), Counting(), counter)
    assert planned.counter == found
    assert planned.counter_version == ("valgrind-3.99.0" if found == "valgrind" else None)
    assert planned.why == (None if found else f"{ABSENT}; valgrind is not installed")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no counter to install")
@pytest.mark.parametrize(
    ("given", "runner", "threads", "error", "words"),
    [
        ({"counter": "perf_evnt"}, None, 1, UsageError, "Did you mean perf_event"),
        ({"counter": "perf_event"}, None, 1, MissingRuntimeError, "--counter valgrind"),
        ({"max_instructions": 5, "emulated": False}, None, 1, MissingRuntimeError, "install valgrind"),
        ({"counter": "valgrind", "emulated": False}, None, 1, MissingRuntimeError, "install valgrind"),
        ({"max_instructions": 5}, None, 2, UnsupportedError, "--threads 1"),
        ({"max_operators": 5}, "pytorch-eager", 1, UnsupportedError, "ONNX Runtime alone"),
        ({"max_multiply_adds": 5}, "pytorch-eager", 1, UnsupportedError, "ONNX Runtime alone"),
    ],
)
def test_limits_that_cannot_be_held_are_refused_before_anything_is_measured(
    artifact: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    runner: str | None,
    threads: int,
    error: type[CloformerError],
    words: str,
) -> None:
    _there(monkeypatch, perf=False, emulated=given.pop("emulated", True))
    counter = given.pop("counter", "auto")
    runners, model = ([], None) if runner is None else ([runner], "user_models:resnet")
    candidates = plan([artifact], runners, protocol("rapid", threads=(threads,)), model=model)
    with pytest.raises(error) as caught:
        plan_counting(candidates, Counting(**given), counter)
    assert words in str(caught.value)


class _Workers:
    """Workers that answer what they were made with; an error is raised."""

    def __init__(self, executed: Executed | Exception, instructions: int | Exception) -> None:
        self.answers = executed, instructions
        self.asked: list[str] = []

    @contextmanager
    def start(self, threads: int, deadline: float) -> Iterator[_Workers]:
        self.asked.append("start")
        yield self

    def load(self, task: Task) -> Loaded:
        self.asked.append(f"load, {task.inputs} inputs{', checked' if task.check else ''}")
        return Loaded(1, 2)

    def watch(self) -> None:
        self.asked.append("watch")

    def warm_up(self, queries: int, seconds: float) -> int:
        return queries

    def executed(self) -> Any:
        return self._answer(0)

    def count(self, queries: int) -> Any:
        assert queries == 10
        return self._answer(1)

    def _answer(self, place: int) -> Any:
        answer = self.answers[place]
        if isinstance(answer, Exception):
            raise answer
        return answer


def _rules(**given: Any) -> Protocol:
    return replace(protocol("rapid"), counting=Counting(**{"counter": "perf_event", **given}))


def _count(monkeypatch: pytest.MonkeyPatch, workers: _Workers, candidate: Candidate, rules: Protocol) -> Any:
    monkeypatch.setattr(counting, "worker", workers.start)
    return count_inference(candidate, rules, lambda _: None)


def test_counts_and_limits(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = _Workers(Executed(40, 2_000, ()), 5_005)
    rules = _rules(max_operators=40, max_multiply_adds=1_000, max_instructions=500)
    found = _count(monkeypatch, workers, Candidate(artifact, "onnxruntime", 1), rules)
    assert (found.operators, found.multiply_adds, found.instructions) == (40, 2_000, 500)
    assert (found.counted_by, found.notes) == ("perf_event", ())
    assert found.exceeded == ("2,000 multiply-adds, and the most allowed is 1,000 (+100.00%)",)
    several = _count(monkeypatch, _Workers(*workers.answers), Candidate(artifact, "onnxruntime", 4), rules)
    assert "while they wait" in several.notes[0] and several.instructions == 500
    # A process each; the first looks at the model, the counter is there before the runtime.
    assert workers.asked == ["start", "load, 4 inputs, checked", "start", "watch", "load, 1 inputs"]


def test_what_cannot_be_counted_keeps_no_limit(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = _Workers(Executed(40, None, ("Einsum",)), WorkerError("counting instructions: it stands still"))
    rules = _rules(max_multiply_adds=10**12, max_instructions=10**12)
    found = _count(monkeypatch, workers, Candidate(artifact, "onnxruntime", 1), rules)
    assert (found.operators, found.multiply_adds, found.instructions) == (40, None, None)
    assert found.counted_by is None
    assert found.notes == (
        "multiply-adds are not known of Einsum",
        "instructions could not be counted: counting instructions: it stands still",
    )
    assert [line.partition(",")[0] for line in found.exceeded] == [
        "multiply-adds could not be counted", "instructions could not be counted",
    ]  # fmt: skip


def test_what_is_not_there_is_a_note(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = _Workers(WorkerError("running under the profiler: no"), 1)
    candidate = Candidate(artifact, "onnxruntime", 1)
    found = _count(monkeypatch, workers, candidate, _rules(counter=None, why=ABSENT))
    assert found.exceeded == () and (found.operators, found.instructions) == (None, None)
    assert found.notes == (
        "operators could not be counted: running under the profiler: no",
        f"instructions could not be counted: {ABSENT}; apt-get install valgrind",
    )
    eager = replace(candidate, runner="pytorch-eager", threads=2)
    _there(monkeypatch, perf=False, emulated=True)
    notes = _count(monkeypatch, workers, eager, _rules(counter="valgrind")).notes
    assert "only ONNX Runtime" in notes[0] and "one thread" in notes[1]


def test_a_model_that_does_not_load_is_no_count(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = _Workers(Executed(1, 1, ()), 1)

    def refuse(task: Task) -> Loaded:
        raise WorkerError("loading: it is no model")

    monkeypatch.setattr(workers, "load", refuse)
    with pytest.raises(WorkerError, match="it is no model"):
        _count(monkeypatch, workers, Candidate(artifact, "onnxruntime", 1), _rules())


@pytest.fixture
def row(artifact: Artifact) -> Measurement:
    from cloformer.export.latency.measure import describe

    described = describe(Candidate(artifact, "onnxruntime", 1), {"onnxruntime": "1.2.3"})
    counts = {"operators": 40, "multiply_adds": 2_000, "instructions": 5_005, "counted_by": "valgrind"}
    return replace(described, complete=True, timed=False, **counts)  # type: ignore[arg-type]


def test_the_gate(row: Measurement) -> None:
    here = environment.environment({})
    over = replace(row, exceeded=("40 operators, and 30 are allowed (+33.33%)",))
    for counting_rules, rows, planned, gate in (
        (None, (row,), 1, None),
        (Counting(only=True), (over,), 1, None),
        (Counting(max_operators=1), (row,), 1, "passed"),
        (Counting(max_operators=1), (row, over), 2, "failed"),
        (Counting(max_operators=1), (replace(row, failure="it crashed", complete=False),), 1, "failed"),
        (Counting(max_operators=1), (row,), 2, "not shown"),
        (Counting(max_operators=1), (), 1, "not shown"),
    ):
        report = LatencyReport(replace(protocol("rapid"), counting=counting_rules), here, rows, planned)
        assert report.gate == report.to_json()["gate"] == gate


def test_the_table_says_what_was_counted(row: Measurement) -> None:
    over = replace(row, exceeded=("40 operators, and 30 are allowed (+33.33%)",))
    rules = replace(protocol("rapid"), counting=Counting(only=True, max_operators=30))
    text = latency.render(LatencyReport(rules, environment.environment({}), (over,), 1))
    assert row.verdict.word == "counted" and max(map(len, text.splitlines())) <= 110
    failed = replace(row, failure="it crashed", complete=False)
    assert "FAILED: 1 of 2 rows" in latency.render(
        LatencyReport(rules, environment.environment({}), (row, failed), 2)
    )
    for words in (
        "counted, and not timed", "40 operators, 2,000 multiply-adds, 5,005 instructions (valgrind)",
        "OVER THE LIMIT: 40 operators", "the same counter", "FAILED: 1 of 1 row not within the limits",
    ):  # fmt: skip
        assert words in text, words
    assert "instructions (" not in latency.render(
        LatencyReport(protocol("rapid"), environment.environment({}), (replace(row, instructions=None),), 1)
    )
