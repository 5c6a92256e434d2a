"""``cloformer bench`` as a user calls it. Nothing here asserts how long anything takes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import pytest
from outcome import Command
from processes import LIMIT, is_running, processes, wait_for

from cloformer.export.artifact.files import list_files
from cloformer.export.artifact.folder import MANIFEST
from cloformer.export.reports.latency.text import milliseconds
from cloformer.export.schemas import schema

pytestmark = pytest.mark.usefixtures("brief")
SHORT = ("--runs", "64", "--min-seconds", "0")

PLANTED = """
import os, signal, time
import user_models

def _with(forward):
    model = user_models.resnet()
    own = model.forward  # of ones, by which a model is looked at when it is loaded
    model.forward = lambda x: own(x) if (x == 1).all() else forward(x)
    return model

def hangs():
    return _with(lambda x: time.sleep(1000))

def crashes():
    return _with(lambda x: os.kill(os.getpid(), signal.SIGSEGV))

def refuses():
    def forward(x):
        raise RuntimeError("not today")
    return _with(forward)
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``planted:hangs`` and others have the weights of the artifact, and never finish an inference."""
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(tmp_path)


def _checked(document: Any) -> Any:
    jsonschema.Draft202012Validator.check_schema(schema("latency"))
    jsonschema.Draft202012Validator(schema("latency")).validate(document)
    return document


def test_json(command: Command, small: Path, tmp_path: Path) -> None:
    """Two candidates, cold starts too; the file is what is printed, and holds every sample."""
    runners = ("--runner", "onnxruntime", "--runner", "onnxruntime-no-layout")
    output = tmp_path / "reports" / "latency.json"
    page = tmp_path / "pages" / "latency.html"
    files = ("--output", output, "--html", page)
    done = command("bench", small, *SHORT, *runners, "--cold", "--pin", "--json", *files)
    assert done.code == 0, done.err
    assert done.err == ""
    document = _checked(done.json)
    assert document == json.loads(output.read_text("utf-8"))
    assert document["complete"] and document["stopped"] is None
    assert document["protocol"]["preset"] == "custom"
    assert {"onnxruntime", "numpy", "cloformer"} <= document["environment"]["versions"].keys()
    assert [row["runner"] for row in document["rows"]] == ["onnxruntime", "onnxruntime-no-layout"]
    assert document["rows"][1]["options"] == {"optimization": "extended"}
    for row in document["rows"]:
        assert row["complete"] and row["failure"] is None
        assert row["measured_on"] == "host CPU, single stream"
        assert len(row["wall_ns"]) == len(row["cpu_ns"]) == row["summary"]["n"] >= 64
        assert row["summary"]["min"] == min(row["wall_ns"]) / 1e9
        assert row["summary"]["p90"] >= row["summary"]["median"]
        assert row["warm_up_queries"] >= 10
        assert row["peak_bytes"] > row["before_bytes"] > 0
        assert len(row["end_to_end_ns"]) == len(row["preprocessing_ns"]) == 20
        assert len(row["cold_load_ns"]) == len(row["cold_first_ns"]) == 5
        assert len(row["pinned_to"]) == 1
        for name in ("median", "p90", "p99"):
            assert f">{milliseconds(row['summary'][name])}</td>" in page.read_text("utf-8")
    assert "host CPU, single stream" in page.read_text("utf-8")
    assert list(output.parent.iterdir()) == [output] and list(page.parent.iterdir()) == [page]


def test_the_table(command: Command, small: Path) -> None:
    done = command("bench", small, *SHORT, "--threads", "1,2")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("host CPU, single stream; milliseconds; preset custom")
    for column in (
        "median",
        "p90",
        "min",
        "mean",
        "std",
        "p95",
        "p99",
        "n",
        "load",
        "first",
        "peak",
        "verdict",
    ):
        assert column in lines[3].split()
    assert [line.split()[0] for line in lines[4:] if line.split()[0] in ("1", "2")] == ["1", "2"]
    assert "end to end" in done.out
    assert "phone" not in done.out and "1 of 2: " in done.err


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("hangs", "the first inference: no answer"),
        ("crashes", "SIGSEGV"),
        ("refuses", "RuntimeError: not today"),
    ],
)
def test_a_candidate_that_fails_is_a_row(
    command: Command, small: Path, planted: None, how: str, words: str
) -> None:
    """The others are measured all the same."""
    runners = ("--runner", "pytorch-eager", "--model", f"planted:{how}", "--runner", "onnxruntime")
    limit = ("--time-limit", "8" if how == "hangs" else "100")
    done = command("bench", small, *SHORT, *runners, *limit, "--json")
    assert done.code == 1, done.err
    failed, sound = _checked(done.json)["rows"]
    assert words in failed["failure"] and not failed["complete"]
    assert failed["verdict"] == {"word": "failed", "reasons": [failed["failure"]]}
    assert failed["wall_ns"] == [] and sound["load_ns"] > 0 and sound["first_ns"] > 0
    # PyTorch's start is no runtime's: Python makes the model, which runs before it is timed.
    assert failed["load_ns"] is failed["first_ns"] is None and any(
        "no start" in note for note in failed["notes"]
    )
    assert sound["complete"] and len(sound["wall_ns"]) >= 64
    assert not done.json["complete"]


def _with_model(folder: Path, copy: Path, change: Callable[[Path], object]) -> Path:
    """The artifact with another model, which the manifest names as if it had been exported."""
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / MANIFEST).read_bytes())
    change(copy / manifest["model"]["path"])
    (copy / MANIFEST).unlink()
    roles = {entry["path"]: entry["role"] for entry in manifest["files"]}
    manifest["files"] = [entry.to_json() for entry in list_files(copy, roles)]
    (copy / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    return copy


def _unknown_operator(path: Path) -> None:
    model = onnx.load(path)
    model.graph.node[0].op_type = "Convolute"
    onnx.save(model, path)


def test_a_model_that_does_not_load_is_a_row(command: Command, small: Path, tmp_path: Path) -> None:
    cut = _with_model(small, tmp_path / "cut", lambda path: path.write_bytes(path.read_bytes()[:1000]))
    unknown = _with_model(small, tmp_path / "unknown", _unknown_operator)
    done = command("bench", cut, unknown, *SHORT)
    assert done.code == 1
    assert "Traceback" not in done.err + done.out
    said = " ".join(done.out.split())
    assert "failed: loading: " in said and "an ONNX model cannot be read" in said
    assert "ONNX Runtime does not load" in said
    assert "2 of 2 rows could not be measured" in said


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--preset", "fast"], 2, "--preset takes: normal, quick, rapid"),
        (["--threads", "one"], 2, "--threads takes"),
        (["--runs", "0"], 2, "--runs"),
        (["--runner", "mil"], 2, "to compare values"),
        (["--runner", "pytorch-eager"], 2, "--model package.module:factory"),
        (["--time-limit", "1"], 2, "raise --time-limit"),
        (["--threads", "200", "--pin"], 4, "lower --threads"),
        (["--output", "/proc/none/latency.json"], 3, "cannot be written"),
        (["--html", "/proc/none/latency.html"], 3, "cannot be written"),
    ],
)
def test_what_is_refused(command: Command, small: Path, arguments: list[str], code: int, words: str) -> None:
    done = command("bench", small, *arguments)
    assert done.code == code
    assert words in done.err and len(done.err.splitlines()) <= 3
    assert done.out == ""


@pytest.mark.parametrize("name", ["bench", "compare", "profile"])
def test_plots_without_the_package_for_them(
    command: Command, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is said before anything is measured."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    done = command(name, small, "--plots", tmp_path / "plots")
    assert done.code == 5
    assert "pip install 'cloformer[plots]'" in done.err and len(done.err.splitlines()) <= 3
    assert done.out == "" and not (tmp_path / "plots").exists()


def test_a_changed_artifact_is_refused(command: Command, small: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(small, tmp_path / "copy"))
    model = copy / json.loads((copy / MANIFEST).read_bytes())["model"]["path"]
    model.write_bytes(model.read_bytes() + b"\0")
    done = command("bench", copy, "--output", tmp_path / "latency.json", "--json")
    assert done.code == 3
    assert done.json["error"]["exit_code"] == 3
    assert not (tmp_path / "latency.json").exists()


def test_help(command: Command) -> None:
    done = command("bench", "--help")
    assert done.code == 0
    for option in (
        "--preset",
        "--threads",
        "--pin",
        "--runs",
        "--min-seconds",
        "--cold",
        "--runner",
        "--output",
    ):
        assert option in done.out
    assert "bench" in command("--help").out


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_interrupted(
    small: Path, tmp_path: Path, python: str, subprocess_environment: dict[str, str],
    number: signal.Signals, code: int, word: str,
) -> None:  # fmt: skip
    """What was measured until then is in the file and on standard output, and no worker is left."""
    output, page, mark = tmp_path / "latency.json", tmp_path / "latency.html", uuid.uuid4().hex
    environment = subprocess_environment | {"CLOFORMER_TEST": mark}
    arguments = ["bench", str(small), "--runs", "64", "--min-seconds", "500", "--threads", "1,2", "--json"]
    running = subprocess.Popen(
        [python, "-m", "cloformer", *arguments, "--output", str(output), "--html", str(page)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # Tests that were started in the background have it ignored, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        wait_for(lambda: len(processes(mark)) == 2)
        wait_for(lambda: is_running(mark))
        running.send_signal(number)
        out, err = running.communicate(timeout=LIMIT)
    finally:
        running.kill()
    assert running.returncode == code, err
    assert processes(mark) == []
    document = _checked(json.loads(out))
    assert document == json.loads(output.read_text("utf-8"))
    assert document["stopped"] == word and not document["complete"]
    (row,) = document["rows"]
    assert document["planned"] == 2
    assert row["load_ns"] > 0 and len(row["wall_ns"]) > 0 and row["summary"]["n"] == len(row["wall_ns"])
    assert row["verdict"]["word"] == "incomplete" and not row["complete"]
    assert err.splitlines() == [f"error: {word}; what was measured until then is kept, and marked incomplete"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [page.name, output.name]
    text = page.read_text("utf-8")
    assert f"{word} at 1 row of 2" in text and f">{milliseconds(row['summary']['median'])}</td>" in text


def test_no_worker_outlives_a_killed_command(
    small: Path, python: str, subprocess_environment: dict[str, str]
) -> None:
    mark = uuid.uuid4().hex
    running = subprocess.Popen(
        [python, "-m", "cloformer", "bench", str(small), "--min-seconds", "500"],
        env=subprocess_environment | {"CLOFORMER_TEST": mark},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: len(processes(mark)) == 2)
    running.kill()
    running.wait()
    wait_for(lambda: processes(mark) == [])
