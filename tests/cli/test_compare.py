"""``cloformer compare`` and baselines as a user calls them. Nothing here asserts how long anything takes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from outcome import Command
from processes import LIMIT, is_running, processes, wait_for

from cloformer.cli import main
from cloformer.export.latency import comparison
from cloformer.export.latency.statistics import Interval
from cloformer.export.schemas import schema

pytestmark = pytest.mark.usefixtures("brief")
SHORT = ("--runs", "66", "--min-seconds", "0")


def _checked(document: Any) -> Any:
    jsonschema.Draft202012Validator(schema("comparison")).validate(document)
    return document


def test_an_artifact_with_its_plain_export(command: Command, small: Path, tmp_path: Path) -> None:
    output = tmp_path / "comparison.json"
    model = ("--model", "user_models:resnet")
    page = tmp_path / "comparison.html"
    files = ("--output", output, "--html", page)
    done = command("compare", small, "--naive", *model, *SHORT, *files, "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    document = _checked(done.json)
    assert document == json.loads(output.read_text("utf-8"))
    assert [row["artifact"] for row in document["rows"]] == [f"{small.name}-plain", small.name]
    assert document["complete"] and document["judged_by"] == "cpu" and document["gate"] is None
    assert document["rounds"]["run"] == 3
    (pair,) = document["pairs"]
    for clock in ("cpu", "wall"):
        said = "{value:.3f} ({low:.3f} to {high:.3f})".format(**pair[clock])
        assert said in page.read_text("utf-8")
        assert 0 < pair[clock]["low"] <= pair[clock]["value"] <= pair[clock]["high"]
    queries = sum(turn[1] for turn in document["turns"])
    assert queries >= 66
    for row in document["rows"]:
        assert row["complete"] and len(row["wall_ns"]) == len(row["cpu_ns"]) == queries


@pytest.fixture(scope="module")
def kept(brief: None, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline."""
    folder = tmp_path_factory.mktemp("kept") / "baseline"
    with pytest.raises(SystemExit) as done:
        main(["bench", str(small), *SHORT, "--save-baseline", str(folder)])
    assert done.value.code == 0
    return folder


@pytest.fixture
def baseline(kept: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(kept, tmp_path / "baseline"))


def test_a_baseline_is_run_again(command: Command, small: Path, baseline: Path) -> None:
    """Its samples are new, and its preset and threads are taken. Ten times as long is not what it takes."""
    shutil.rmtree(copy := baseline.parent / "another", ignore_errors=True)
    shutil.copytree(small, copy)
    done = command("compare", copy, "--baseline", baseline, "--max-regression", "100%", "--json")
    assert done.code == 0, done.err
    document = _checked(done.json)
    assert [row["artifact"] for row in document["rows"]] == [small.name, "another"]
    assert document["rows"][0]["manifest_sha256"] == document["rows"][1]["manifest_sha256"]
    assert document["gate"] == document["pairs"][0]["gate"] == "passed"
    assert (document["protocol"]["preset"], document["protocol"]["min_queries"]) == ("custom", 66)
    old = json.loads((baseline / "latency.json").read_bytes())
    assert document["rows"][0]["wall_ns"] != old["rows"][0]["wall_ns"]


def test_what_cannot_be_shown_is_not_passed(
    command: Command, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the machine does meanwhile, the interval is said to have the limit in it."""
    monkeypatch.setattr(comparison, "ratio_interval", lambda *_: Interval(0.99, 1.0, 1.01, 0.99))
    done = command("compare", small, small, *SHORT, "--max-regression", "0", "--max-rounds", "3")
    assert done.code == 1, done.err
    assert "FAIL: " in done.out and "B against A: no verdict" in done.out
    assert "round 3 of 3" in done.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda report: report["environment"].update(processor="another"), "processor was 'another'"),
        (lambda report: report["environment"].update(affinity=[77]), "affinity was [77]"),
        (
            lambda report: report["environment"]["versions"].update(onnxruntime="0.1"),
            "versions.onnxruntime was '0.1'",
        ),
        (
            lambda report: report["environment"]["versions"].update(gone="1"),
            "gone was '1', and here it is None",
        ),
        (lambda report: report["rows"][0].update(threads=2), "threads was 2, and here it is 1"),
    ],
)
def test_another_environment_is_refused(
    command: Command, small: Path, baseline: Path, change: Callable[[Any], None], words: str
) -> None:
    report = json.loads((baseline / "latency.json").read_bytes())
    change(report)
    (baseline / "latency.json").write_text(json.dumps(report), "utf-8")
    done = command("compare", small, "--baseline", baseline, "--threads", "1")
    assert done.code == 4
    assert words in done.err and "make it anew" in done.err and len(done.err.splitlines()) <= 3
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "rapid"], "preset was 'custom', and here it is 'rapid'"),
        (["--threads", "2"], "threads was 1, and here it is 2"),
        (["--runs", "67"], "min_queries was 66, and here it is 67"),
        (["--pin"], "pin was False, and here it is True"),
        (["--runner", "onnxruntime-no-layout"], "runner was 'onnxruntime'"),
    ],
)
def test_another_protocol_is_refused(
    command: Command, small: Path, kept: Path, arguments: list[str], words: str
) -> None:
    done = command("compare", small, "--baseline", kept, *arguments)
    assert done.code == 4
    assert words in done.err and done.out == ""


def test_another_cloformer_is_not(command: Command, small: Path, baseline: Path) -> None:
    """It is refused for the other thing that differs: this one runs both artifacts."""
    report = json.loads((baseline / "latency.json").read_bytes())
    report["environment"]["versions"] = {"cloformer": "0.0.1", "zlib": "1"}
    (baseline / "latency.json").write_text(json.dumps(report), "utf-8")
    assert "versions.zlib" in command("compare", small, "--baseline", baseline).err


def _escape(folder: Path) -> None:
    report = json.loads((folder / "latency.json").read_bytes())
    report["rows"][0]["artifact"] = "../elsewhere"
    (folder / "latency.json").write_text(json.dumps(report), "utf-8")


def _exchange(folder: Path) -> None:
    """The report of another artifact."""
    report = json.loads((folder / "latency.json").read_bytes())
    report["rows"][0]["manifest_sha256"] = "0" * 64
    (folder / "latency.json").write_text(json.dumps(report), "utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: shutil.rmtree(folder), "is no baseline"),
        (lambda folder: (folder / "latency.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "latency.json").write_text("{}"), "is no latency report"),
        (lambda folder: (folder / "latency.json").write_text("[" * 100_000), "is not JSON"),
        (_escape, "outside its own"),
        (_exchange, "is not the artifact"),
        (lambda folder: next(folder.glob("*/model.onnx")).write_bytes(b""), "hash does not match"),
    ],
)
def test_a_damaged_baseline(
    command: Command, small: Path, baseline: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(baseline)
    done = command("compare", small, "--baseline", baseline)
    assert done.code == 3
    assert words in done.err and len(done.err.splitlines()) <= 3


def test_a_baseline_follows_the_schema_and_is_not_replaced(
    command: Command, small: Path, baseline: Path
) -> None:
    report = json.loads((baseline / "latency.json").read_bytes())
    jsonschema.Draft202012Validator(schema("latency")).validate(report)
    before = {path: path.read_bytes() for path in baseline.rglob("*") if path.is_file()}
    done = command("bench", small, *SHORT, "--save-baseline", baseline)
    assert done.code == 3 and "there already" in done.err
    assert {path: path.read_bytes() for path in baseline.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "one candidate is nothing to compare"),
        (["--naive", "--baseline", "x"], 2, "both say what is first"),
        (["--naive"], 2, "add --weights CHECKPOINT, or --model"),
        (["--max-regression", "five"], 2, "--max-regression takes 5%"),
        (["--preset", "slow"], 2, "--preset takes: normal, quick, rapid"),
        (["--rounds", "2"], 2, "--rounds"),
        (["--runner", "mil"], 2, "to compare values"),
    ],
)
def test_what_is_refused(command: Command, small: Path, arguments: list[str], code: int, words: str) -> None:
    done = command("compare", small, *arguments)
    assert done.code == code
    assert words in done.err and len(done.err.splitlines()) <= 3 and done.out == ""


def test_a_baseline_is_of_one_row(command: Command, small: Path, tmp_path: Path) -> None:
    done = command("bench", small, "--threads", "1,2", "--save-baseline", tmp_path / "new")
    assert done.code == 2 and "here are 2 rows" in done.err
    assert not (tmp_path / "new").exists()


def test_interrupted(
    small: Path, tmp_path: Path, python: str, subprocess_environment: dict[str, str]
) -> None:
    output, page, mark = tmp_path / "comparison.json", tmp_path / "comparison.html", uuid.uuid4().hex
    running = subprocess.Popen(
        [python, "-m", "cloformer", "compare", str(small), str(small), "--min-seconds", "500", "--json", "--output", str(output), "--html", str(page)],
        env=subprocess_environment | {"CLOFORMER_TEST": mark}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        wait_for(lambda: len(processes(mark)) == 3)
        wait_for(lambda: is_running(mark))
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=LIMIT)
    finally:
        running.kill()
    assert running.returncode == 143, err
    assert processes(mark) == []
    document = _checked(json.loads(out))
    assert document == json.loads(output.read_text("utf-8"))
    assert document["stopped"] == "terminated" and not document["complete"]
    assert all(len(row["wall_ns"]) > 0 and not row["complete"] for row in document["rows"])
    assert "terminated in round 1" in page.read_text("utf-8")
