"""The process a candidate is timed in: what it answers, what is made of nonsense, and that none is left."""

from __future__ import annotations

import io
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloformer.export.artifact.folder import read_artifact
from cloformer.export.formats.runners import RunnerOptions, TimedRunner, open_model
from cloformer.export.latency import messages, parent
from cloformer.export.latency.messages import BadMessageError, Task, decode, encode, read_count, read_times
from cloformer.export.latency.parent import Worker, WorkerError, worker
from cloformer.export.latency.subject import fed_from, open_subject, top_class
from cloformer.export.latency.worker import serve
from cloformer.export.reference.cases import PHOTOGRAPH, Inputs, image_cases, noise_case

LIMIT = 60.0


@pytest.fixture
def task(small: Path) -> Task:
    return Task(str(small), "onnxruntime", 1, None, None, None, 0, 3, check=True, forget=False)


@pytest.fixture
def started() -> Iterator[Worker]:
    with worker(1, time.monotonic() + LIMIT) as running:
        yield running


def test_every_order(started: Worker, task: Task) -> None:
    loaded = started.load(task)
    assert loaded.load_ns > 0 and loaded.before_bytes > 2**20
    assert len(started.first().wall_ns) == 1
    assert started.warm_up(5, 0.0) == 5
    times = started.run(7)
    assert len(times.wall_ns) == len(times.cpu_ns) == 7 and min(times.wall_ns) > 0
    seen = started.photograph(2)
    assert len(seen.preprocessing_ns) == len(seen.end_to_end_ns) == 2
    assert all(all_of > part for all_of, part in zip(seen.end_to_end_ns, seen.preprocessing_ns, strict=True))
    assert started.memory() > loaded.before_bytes


def test_two_workers_take_turns(started: Worker, task: Task) -> None:
    """What a comparison needs: each loaded once, and asked again and again."""
    started.load(task)
    with worker(1, time.monotonic() + LIMIT) as other:
        other.load(replace(task, runner="onnxruntime-no-layout"))
        for _ in range(3):
            assert [len(one.run(4).wall_ns) for one in (started, other)] == [4, 4]


def test_an_error_does_not_end_it(started: Worker, task: Task, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"loading: .* is not an artifact"):
        started.load(replace(task, folder=str(tmp_path)))
    started.load(task)
    assert len(started.run(2).wall_ns) == 2


def test_a_model_that_must_not_be_loaded(started: Worker, task: Task, tmp_path: Path) -> None:
    """The file is looked at before the runtime is given it."""
    import onnx

    copy = Path(shutil.copytree(task.folder, tmp_path / "copy"))
    path = read_artifact(copy).model_path
    model = onnx.load(path)
    model.graph.node[0].op_type = "Loop"
    onnx.save(model, path)
    with pytest.raises(WorkerError, match="Loop"):
        started.load(replace(task, folder=str(copy)))


@pytest.mark.skipif(sys.platform != "linux", reason="pinning is Linux's")
def test_pinned(started: Worker, task: Task) -> None:
    chosen = min(os.sched_getaffinity(0))
    started.load(replace(task, pinned_to=(chosen,)))
    assert os.sched_getaffinity(started._process.pid) == {chosen}


def test_only_the_call_is_timed_on_inputs_that_take_turns(
    monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    from cloformer.export.latency import worker as module

    class Subject:
        inputs = Inputs.of(read_artifact(Path(task.folder)).function)
        made: list[bytes] = []  # noqa: RUF012
        called: list[int] = []  # noqa: RUF012

        def check(self) -> None:
            self.checked = True

        def load(self) -> None:
            assert self.checked

        def prepare(self, fed: dict[str, Any]) -> Callable[[], Any]:
            self.made.append(next(iter(fed.values())).tobytes())
            index = len(self.made) - 1
            return lambda: self.called.append(index)

    subject = Subject()
    monkeypatch.setattr(module, "open_subject", lambda *_: subject)
    orders = [{"do": "load", **task.to_json()}, {"do": "run", "queries": 4}, {"do": "run", "queries": 3}]
    answers = io.BytesIO()
    serve(io.BytesIO(b"".join(encode(order) for order in orders)), answers)
    assert [set(decode(line)) for line in answers.getvalue().splitlines()] == [
        {"load_ns", "before_bytes"}, {"wall_ns", "cpu_ns"}, {"wall_ns", "cpu_ns"},
    ]  # fmt: skip
    assert len(set(subject.made)) == 3  # made once, before the runs, each another
    assert subject.called == [0, 1, 2, 0, 1, 2, 0]


NONSENSE = {
    "no JSON": "print('hello')",
    "no object": "print([1])",
    "none at all": "pass",
    "a list that is too short": 'print(\'{"wall_ns": [1], "cpu_ns": [1]}\')',
    "no numbers": 'print(\'{"wall_ns": [1, null], "cpu_ns": [1, 2]}\')',
    "truths": 'print(\'{"wall_ns": [1, true], "cpu_ns": [1, 2]}\')',
    "fractions": 'print(\'{"wall_ns": [1, 0.5], "cpu_ns": [1, 2]}\')',
    "below zero": 'print(\'{"wall_ns": [1, -1], "cpu_ns": [1, 2]}\')',
    "far too large": "print('{\"wall_ns\": [1, 1' + '0' * 30 + '], \"cpu_ns\": [1, 2]}')",
    "half": "print('{\"wall_ns\": [1, 2]}')",
    "an error that is none": "print('{\"error\": 3}')",
    "no end": "print('x' * 3000, end='', flush=True); import time; time.sleep(60)",
    "silence": "import time; time.sleep(60)",
    "a crash": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "an exit": "import sys; sys.exit('the library is broken')",
}


@pytest.mark.parametrize("how", NONSENSE)
def test_nonsense_is_an_error(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    code = f"import sys; sys.stdin.readline(); {NONSENSE[how]}"
    monkeypatch.setattr(parent, "command", lambda: [sys.executable, "-S", "-c", code])
    monkeypatch.setattr(parent, "MAX_LINE", 2000)
    limit = 1.0 if how == "silence" else LIMIT
    with (
        pytest.raises(WorkerError, match="running: ") as caught,
        worker(1, time.monotonic() + limit) as running,
    ):
        running.run(2)
    words = {
        "a crash": "crashed with SIGSEGV",
        "an exit": "exit code 1: the library is broken",
        "none at all": "exit code 0",
        "silence": "--time-limit",
        "no end": "more than",
    }
    assert words.get(how, "its answer is no answer") in str(caught.value)
    assert running._process.returncode is not None  # and it is gone


def test_a_warm_up_that_was_none(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.stdin.readline(); print('{\"queries\": 9}')"
    monkeypatch.setattr(parent, "command", lambda: [sys.executable, "-S", "-c", code])
    with (
        pytest.raises(WorkerError, match="9 queries are fewer than 10"),
        worker(1, time.monotonic() + LIMIT) as running,
    ):
        running.warm_up(10, 0.0)


def test_what_a_runtime_prints_is_no_answer(
    started: Worker, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prints.py").write_text(
        "import os, user_models\n"
        "def build():\n"
        "    print('loading the weights')\n"
        "    os.write(1, b'{}\\n')\n"
        "    return user_models.resnet()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    eager = replace(task, runner="pytorch-eager", model="prints:build")
    with worker(1, time.monotonic() + LIMIT) as running:
        assert running.load(eager).load_ns > 0
        assert len(running.run(2).wall_ns) == 2
        assert running.memory() > 0


def test_it_ends_with_its_block(task: Task) -> None:
    with worker(1, time.monotonic() + LIMIT) as running:
        running.load(task)
        number = running._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


@pytest.mark.skipif(not Path("/usr/bin/time").exists(), reason="there is no /usr/bin/time")
@pytest.mark.skipif(sys.platform != "linux", reason="its words are GNU's")
def test_peak_memory_is_what_the_system_says(task: Task) -> None:
    orders = [
        {"do": "load", **task.to_json()}, {"do": "run", "queries": 10}, {"do": "memory"},
    ]  # fmt: skip
    done = subprocess.run(
        ["/usr/bin/time", "-v", *parent.command()],
        input=b"".join(encode(order) for order in orders), capture_output=True, check=True,
    )  # fmt: skip
    found = read_count(decode(done.stdout.splitlines()[-1]), "peak_bytes")
    told = re.search(rb"Maximum resident set size \(kbytes\): (\d+)", done.stderr)
    assert told is not None
    assert found == pytest.approx(int(told[1]) * 1024, rel=0.05)


def test_peak_memory_does_not_count_the_parents(task: Task) -> None:
    """A process that is forked from a large one looks large to getrusage."""
    held = np.ones(2**25)
    with worker(1, time.monotonic() + LIMIT) as running:
        running.load(task)
        assert running.memory() < held.nbytes


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b"3"])
def test_what_is_no_message(line: bytes) -> None:
    with pytest.raises(BadMessageError):
        decode(line)


def test_messages_survive_the_pipe(task: Task) -> None:
    pinned = replace(task, pinned_to=(0, 3))
    assert Task.from_json(decode(encode(pinned.to_json()))) == pinned
    assert read_times({"a": [1, 2]}, "a", 2) == (1, 2)
    assert messages.read_lines({"error": ["x" * 9999] * 5}) == ["x" * 500] * 3


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the layout is that of x86")
def test_extended_is_the_level_without_layouts(small: Path, tmp_path: Path) -> None:
    """What "layout optimization off" means: nothing of ONNX Runtime's own layout is left in the graph."""
    import onnx
    import onnxruntime

    from cloformer.export.formats.onnx.runner import OPTIMIZATIONS
    from cloformer.export.latency.candidates import CANDIDATES

    blocked = {}
    for name in ("onnxruntime", "onnxruntime-no-layout"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = OPTIMIZATIONS[CANDIDATES[name].options.get("optimization", "all")]
        options.optimized_model_filepath = str(tmp_path / f"{name}.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(
            read_artifact(small).model_path, options, providers=["CPUExecutionProvider"]
        )
        nodes = onnx.load(tmp_path / f"{name}.onnx").graph.node
        blocked[name] = sum(node.domain == "com.microsoft.nchwc" for node in nodes)
    assert blocked["onnxruntime"] > 0 == blocked["onnxruntime-no-layout"]


def test_a_photograph_is_fed_as_parity_feeds_it(small: Path) -> None:
    inputs = Inputs.of(read_artifact(small).function)
    fed = fed_from(PHOTOGRAPH, inputs)
    expected = image_cases(inputs, [PHOTOGRAPH]).cases[0].for_candidate(inputs)
    assert fed.keys() == expected.keys()
    for name, value in fed.items():
        assert value.dtype == expected[name].dtype and value.flags.c_contiguous
        np.testing.assert_allclose(value, expected[name], atol=1e-6)


def test_the_prepared_call_is_the_runners(small: Path) -> None:
    artifact = read_artifact(small)
    inputs = Inputs.of(artifact.function)
    fed = noise_case(inputs).for_candidate(inputs)
    runner = open_model(artifact.model, options=RunnerOptions(threads=1))
    assert isinstance(runner, TimedRunner)
    with runner:
        (name,) = runner.run(fed)
        np.testing.assert_array_equal(runner.prepare(fed)()[0], runner.run(fed)[name])


def test_eager_is_the_model_itself(small: Path) -> None:
    import torch
    import user_models

    subject = open_subject(read_artifact(small), "pytorch-eager", 1, "user_models:resnet", None)
    subject.check()
    subject.load()
    fed = noise_case(subject.inputs).for_candidate(subject.inputs)
    with torch.no_grad():
        torch.manual_seed(0)
        expected = user_models.resnet().float().eval()(torch.from_numpy(next(iter(fed.values()))))
    np.testing.assert_array_equal(subject.prepare(fed)().numpy(), expected.numpy())


def test_core_mls_call_is_its_prediction_alone(small: Path) -> None:
    """As far as it goes without a Mac: what is fed is made before the call."""
    from cloformer.export.formats.coreml.runner import CoreMLRunner

    class Model:
        calls: list[Any] = []  # noqa: RUF012

        def predict(self, fed: Any) -> str:
            self.calls.append(fed)
            return "outputs"

    artifact = read_artifact(small)
    inputs = Inputs.of(artifact.function)
    runner = CoreMLRunner(artifact.model, compute_units="CPU_AND_NE")
    assert isinstance(runner, TimedRunner)
    runner._model = Model()
    call = runner.prepare(noise_case(inputs).for_candidate(inputs))
    assert not Model.calls
    assert call() == call() == "outputs"
    assert Model.calls[0] is Model.calls[1]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([np.array([[0.1, 0.7, 0.2]])], 1),
        ({"logits": np.array([[0.9, 0.1]])}, 0),
        ({"classLabel": "cat", "logits": {"dog": 0.2, "cat": 0.8}}, "cat"),
        (np.array([[0.1, 0.2]]), 1),
    ],
)
def test_the_first_class(outputs: Any, expected: object) -> None:
    assert top_class(outputs, "logits") == expected
