"""What is measured, how and where, before any process is started; and what is made of the rows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from cloformer.errors import CloformerError, MissingRuntimeError, UnsupportedError, UsageError
from cloformer.export.artifact.folder import Artifact, read_artifact
from cloformer.export.formats.runners import RUNNERS
from cloformer.export.latency import candidates, environment
from cloformer.export.latency import measure as bench
from cloformer.export.latency.baseline import Baseline, Conditions
from cloformer.export.latency.candidates import CANDIDATES, Candidate, plan
from cloformer.export.latency.environment import Load, explain_load, read_load, steal_share
from cloformer.export.latency.measure import _block_size, describe
from cloformer.export.latency.messages import Task
from cloformer.export.latency.parent import Loaded, Photographed, Times
from cloformer.export.latency.protocol import CUSTOM, PRESETS, parse_threads, protocol
from cloformer.export.latency.report import LatencyReport, Measurement
from cloformer.export.reports.latency import text as latency
from cloformer.io.progress import done_of


@pytest.fixture(autouse=True)
def _on_what_it_was_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "processor_family", lambda: "arm64")


@pytest.fixture
def artifact(small: Path) -> Artifact:
    return read_artifact(small)


@pytest.fixture
def core_ml(artifact: Artifact) -> Artifact:
    return replace(artifact, manifest=replace(artifact.manifest, format="coreml"))


def test_presets_are_those_of_the_rules() -> None:
    found = {name: (row.queries, row.seconds) for name, row in PRESETS.items()}
    assert found == {"normal": (1024, 60), "quick": (128, 10), "rapid": (64, 6)}
    normal = protocol("normal")
    assert (normal.preset, normal.max_seconds, normal.threads) == ("normal", 600, (1,))
    assert normal.warm_up_queries >= 10 and normal.warm_up_seconds >= 1


def test_what_differs_from_a_preset_has_another_name() -> None:
    assert protocol("quick", runs=128, min_seconds=10.0).preset == "quick"
    assert protocol("quick", runs=129).preset == CUSTOM
    long = protocol("rapid", min_seconds=1000.0)
    assert (long.preset, long.max_seconds) == (CUSTOM, 1000) and long.time_limit > 1000


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"preset": "quik"}, "Did you mean quick"),
        ({"preset": "quick", "min_seconds": -1.0}, "cannot be waited for"),
        ({"preset": "quick", "min_seconds": float("nan")}, "cannot be waited for"),
        ({"preset": "quick", "min_seconds": float("inf")}, "cannot be waited for"),
        ({"preset": "quick", "time_limit": 10.0}, "raise --time-limit"),
        ({"preset": "quick", "time_limit": float("nan")}, "raise --time-limit"),
    ],
)
def test_limits_that_cannot_be(given: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        protocol(**given)  # type: ignore[arg-type]


def test_thread_counts() -> None:
    assert parse_threads("1") == (1,)
    assert parse_threads("1, 2,4,2") == (1, 2, 4)
    for text in ("", "0", "-1", "1,,2", "two", "1.5", "9" * 40, "257", "²"):
        with pytest.raises(UsageError, match="--threads takes"):
            parse_threads(text)


def test_every_candidate_has_a_runner_that_there_is() -> None:
    assert {row.runner for row in CANDIDATES.values()} <= {*RUNNERS, None}
    assert "mil" not in {row.runner for row in CANDIDATES.values()}
    for row in CANDIDATES.values():
        assert row.measured_on.startswith("host") and row.measured_on.endswith("single stream")


def test_an_artifact_is_timed_by_its_own_runtime(artifact: Artifact) -> None:
    found = plan([artifact], [], protocol("rapid", threads=(1, 2)))
    assert [(one.runner, one.threads) for one in found] == [("onnxruntime", 1), ("onnxruntime", 2)]


@pytest.mark.skipif(sys.platform == "darwin", reason="there Core ML exists")
def test_core_ml_is_timed_on_a_mac_alone(
    artifact: Artifact, core_ml: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    for runners in ([], ["coreml-ane"], ["coreml", "onnxruntime"]):
        with pytest.raises(MissingRuntimeError, match="macOS only"):
            plan([core_ml, artifact], runners, protocol("rapid"))
    eager = plan([core_ml], ["pytorch-eager"], protocol("rapid"), model="user_models:resnet")
    assert [one.runner for one in eager] == ["pytorch-eager"]
    monkeypatch.setattr(candidates.sys, "platform", "darwin")
    assert [one.runner for one in plan([core_ml], [], protocol("rapid"))] == ["coreml"]
    assert [one.runner for one in plan([core_ml], ["coreml-cpu", "coreml-ane"], protocol("rapid"))] == [
        "coreml-cpu", "coreml-ane",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("runners", "words"),
    [
        (["mil"], "there to compare values"),
        (["pytorch"], "there to compare values"),
        (["onnxruntim"], "Did you mean onnxruntime"),
        (["coreml"], "does not run onnx"),
        (["pytorch-eager"], "--model package.module:factory"),
    ],
)
def test_runners_that_cannot_be(artifact: Artifact, runners: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan([artifact], runners, protocol("rapid"))
    assert words in str(caught.value) and len(caught.value.lines) == 2


def test_an_artifact_that_no_runner_is_for(artifact: Artifact, core_ml: Artifact) -> None:
    with pytest.raises(UsageError, match="which is coreml"):
        plan([artifact, core_ml], ["onnxruntime"], protocol("rapid"))


@pytest.mark.skipif(sys.platform != "linux", reason="pinning is Linux's")
def test_pinning(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    usable = sorted(os.sched_getaffinity(0))
    (found,) = plan([artifact], [], protocol("rapid", pin=True))
    assert found.pinned_to == (usable[0],)
    with pytest.raises(UnsupportedError, match="lower --threads"):
        plan([artifact], [], protocol("rapid", pin=True, threads=(len(usable) + 1,)))
    monkeypatch.setattr(candidates.sys, "platform", "darwin")
    for asked in ("pin", "cold"):
        with pytest.raises(UnsupportedError, match=f"leave --{asked} out"):
            plan([artifact], [], protocol("rapid", **{asked: True}))  # type: ignore[arg-type]


def test_the_environment() -> None:
    found = environment.environment({"onnxruntime": "1.2.3"})
    assert found.processor and found.processors >= len(found.affinity) >= 1
    assert found.versions["onnxruntime"] == "1.2.3" and "cloformer" in found.versions
    assert found.to_json()["affinity"] == list(found.affinity)
    assert found == environment.environment({"onnxruntime": "1.2.3"})


def test_steal_and_load() -> None:
    quiet, later = Load(0.5, 100, 1000), Load(3.0, 130, 2000)
    assert steal_share(quiet, later) == pytest.approx(0.03)
    assert steal_share(Load(0.5, None, None), later) is None
    assert explain_load(quiet, Load(3.0, 101, 2000), 2) == ()
    assert explain_load(quiet, later, 2) == ("the host took 3.0% of the processor time",)
    for processors, words in ((2, "2 processors"), (1, "1 processor ")):
        assert f"load average 3.0 on {words}" in explain_load(later, later, processors)[0]


def test_a_system_that_says_nothing_of_its_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "_STAT", tmp_path / "none")
    assert read_load().stolen is None
    (tmp_path / "none").write_text("cpu 1 2\n")
    assert read_load().total is None


def test_the_processor_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    one = "processor\t: {}\nmodel name\t: A 3000\nphysical id\t: 0\ncore id\t\t: {}\n\n"
    info.write_text("".join(one.format(number, number // 2) for number in range(4)))
    monkeypatch.setattr(environment, "_CPUINFO", info)
    monkeypatch.setattr(environment.sys, "platform", "linux")
    assert (environment._processor(), environment._cores()) == ("A 3000", 2)
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "none")
    assert environment._processor() and environment._cores() is None


def test_a_block_is_about_a_second_and_no_more_than_is_missing() -> None:
    rules = protocol("normal")
    assert _block_size(rules, 10, 1.0) == 10
    assert _block_size(rules, 1, 30.0) == 1
    assert _block_size(rules, 10, 1e-6) == 10_000
    assert _block_size(protocol("rapid", runs=64, min_seconds=0.0), 60, 0.06) == 4


@pytest.fixture
def row(artifact: Artifact) -> Measurement:
    return replace(
        describe(Candidate(artifact, "onnxruntime", 1), {"onnxruntime": "1.2.3"}),
        load_ns=5_000_000, first_ns=2_000_000, wall_ns=(1_000_000,) * 100, cpu_ns=(900_000,) * 100,
        preprocessing_ns=(3_000_000,), end_to_end_ns=(4_000_000,), peak_bytes=50_000_000,
        before_bytes=40_000_000, complete=True,
    )  # fmt: skip


def test_what_is_to_be_said_of_threads(artifact: Artifact) -> None:
    assert describe(Candidate(artifact, "onnxruntime", 1), {"onnxruntime": "1"}).notes == ()
    assert "threads on" in describe(Candidate(artifact, "onnxruntime", 200), {"onnxruntime": "1"}).notes[0]
    assert "by itself" in describe(Candidate(artifact, "coreml", 1), {"coremltools": "1"}).notes[0]


def test_what_is_to_be_said_of_another_processor(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """The times are a phone's no more than before, nor are they the best that this machine has; PyTorch's are what they are."""
    monkeypatch.setattr(bench, "processor_family", lambda: "x86")
    (note,) = describe(Candidate(artifact, "onnxruntime", 1), {"onnxruntime": "1"}).notes
    assert "made for arm64, and this processor is x86" in note and "--for x86" in note
    assert "made for" not in " ".join(describe(Candidate(artifact, "pytorch-eager", 1), {"torch": "1"}).notes)


def test_a_baseline_of_another_list_is_refused(artifact: Artifact) -> None:
    """What is made for one processor is no measure of what is made for another; what says nothing, as before there were two, is."""
    conditions = Conditions.of(environment.environment({}), protocol("rapid"), "onnxruntime")
    request = artifact.manifest.request
    for made_for, is_refused in (("x86", True), ("arm64", False), ("", False)):
        before = replace(request, options={**request.options, "processor": made_for})
        kept = replace(artifact, manifest=replace(artifact.manifest, request=before))
        with pytest.raises(UnsupportedError, match="made for x86, and") if is_refused else nullcontext():
            Baseline(artifact.folder, kept, conditions).refuse_another_list([artifact])


def test_verdicts(row: Measurement) -> None:
    assert row.verdict.word == "stable"
    disturbed = replace(row, disturbed=("the host took 3.0%",))
    assert disturbed.verdict.word == "unstable" and disturbed.verdict.reasons == disturbed.disturbed
    drifting = replace(disturbed, wall_ns=(1_000_000,) * 50 + (1_100_000,) * 50)
    assert drifting.verdict.word == "drifting" and len(drifting.verdict.reasons) == 2
    assert replace(row, complete=False).verdict.word == "incomplete"
    assert replace(row, complete=False, failure="it crashed").verdict.reasons == ("it crashed",)


def test_the_table_says_everything_in_110_columns(row: Measurement) -> None:
    many = replace(row, threads=4, wall_ns=tuple(range(1_000_000, 90_000_000, 1_000_000)), notes=("a note",))
    failed = replace(row, threads=2, wall_ns=(), complete=False, failure="loading: it crashed with SIGSEGV")
    rules = protocol("quick", threads=(1, 2, 4))
    report = LatencyReport(rules, environment.environment({}), (row, many, failed), 4, "interrupted")
    text = latency.render(report)
    assert max(map(len, text.splitlines())) <= 110
    assert text.startswith(
        "host CPU, single stream; milliseconds; preset quick: at least 128 queries and 10 s"
    )
    for words in (
        "1.000", "5.000", "50 MB", "stable", "drifting: ", "note: a note", "failed: loading: it crashed with SIGSEGV",
        "preprocessing of a photograph 3.000", "end to end 4.000", "INCOMPLETE: interrupted", "1 of 4 rows could not",
    ):  # fmt: skip
        assert words in text, words
    assert not report.complete and report.failed == [failed]


def test_no_p90_is_said(row: Measurement) -> None:
    few = replace(row, wall_ns=(1_000_000,) * 63)
    report = LatencyReport(protocol("rapid"), environment.environment({}), (few,), 1)
    assert "no p90 of fewer than 64 queries" in latency.render(report)


def test_a_hostile_name_cannot_move_the_cursor(row: Measurement) -> None:
    bad = replace(row, artifact="a\x1b[2Jb", failure="\x1b[31mred", complete=False)
    assert "\x1b" not in latency.render(
        LatencyReport(protocol("rapid"), environment.environment({}), (bad,), 1)
    )


class _Clock:
    """A worker whose every query takes 100 seconds, as it says. It notes what it was asked."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.asked: list[str] = []

    @contextmanager
    def start(self, threads: int, deadline: float) -> Iterator[_Clock]:
        self.asked.append("start")
        yield self

    def load(self, task: Task) -> Loaded:
        self.tasks.append(task)
        return Loaded(5, 6)

    def first(self) -> Times:
        return self.run(1)

    def warm_up(self, queries: int, seconds: float) -> int:
        assert queries >= 10 and seconds >= 1
        self.asked.append("warm_up")
        return queries

    def run(self, queries: int) -> Times:
        self.asked.append(f"run {queries}")
        return Times((100 * 10**9,) * queries, (10**9,) * queries)

    def photograph(self, queries: int) -> Photographed:
        return Photographed((), ())

    def memory(self) -> int:
        self.asked.append("memory")
        return 7


def test_what_a_candidate_is_asked(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and cold starts in processes of their own, and no run longer than 600 seconds."""
    clock = _Clock()
    monkeypatch.setattr(bench, "worker", clock.start)
    rules, kept, told = protocol("normal", cold=True), [], []
    report = bench.measure(plan([artifact], [], rules), rules, told.append, kept.append)
    shares = [done_of(stage) for stage in told if "quer" in stage]
    assert shares == pytest.approx([0.95 * n / 6 for n in (1, 2, 3, 4, 5)])
    main, memory, *cold = ([*part.split(","), ""] for part in ",".join(clock.asked).split("start,")[1:])
    assert main[:3] == ["run 1", "warm_up", "run 1"] and set(main[2:]) == {"run 1", ""}
    assert memory[:2] == ["run 10", "memory"]
    assert len(cold) == 5
    assert [(task.check, task.forget) for task in clock.tasks] == [(True, False), (False, False)] + [
        (False, True)
    ] * 5
    (row,) = report.rows
    assert row.notes == ("ended after 600 s with 6 of 1,024 queries",)
    assert len(row.wall_ns) == 6 and row.complete and report.complete
    assert row.summary is not None and row.summary.p90 is None
    assert (row.load_ns, row.before_bytes, row.peak_bytes, row.cold_load_ns) == (5, 6, 7, (5,) * 5)
    assert kept[0].rows == () and kept[-1] == report
    assert [len(one.rows[0].wall_ns) for one in kept[1:] if one.rows[0].wall_ns][:6] == [1, 2, 3, 4, 5, 6]


def test_a_package_that_is_not_installed(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(bench, "version", missing)
    with pytest.raises(MissingRuntimeError, match="pip install") as caught:
        bench.measure(plan([artifact], [], protocol("rapid")), protocol("rapid"))
    assert isinstance(caught.value, CloformerError) and caught.value.exit_code == 5
