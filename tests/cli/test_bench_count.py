"""``cloformer bench --count`` and its limits as a user calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
from benchmarks.slower import SIDE, slow_down
from changed_artifact import with_model
from onnx import helper, numpy_helper
from outcome import Command
from shared import Exports

from cloformer.export.latency import counting
from cloformer.export.schemas import schema

pytestmark = pytest.mark.usefixtures("brief")
SHORT = ("--runs", "64", "--min-seconds", "0")


@pytest.fixture
def no_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing counts instructions, so that nothing takes a minute."""
    monkeypatch.setattr(counting.perf_event, "explain_absence", lambda: "perf_event_open: no counters")
    monkeypatch.setattr(counting.valgrind, "find", lambda: None)


def _add_a_product(path: Path) -> None:
    """One operator more: 10 x 10 multiply-adds."""
    model = onnx.load(path)
    output = model.graph.output[0].name
    last = next(node for node in model.graph.node if output in node.output)
    last.output[list(last.output).index(output)] = "before"
    model.graph.initializer.append(numpy_helper.from_array(np.eye(10, dtype=np.float32)[::-1].copy(), "turn"))
    model.graph.node.append(helper.make_node("MatMul", ["before", "turn"], [output]))
    onnx.save(model, path)


@pytest.fixture(scope="module")
def more(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_model(small, tmp_path_factory.mktemp("more") / "more", _add_a_product)


def _checked(document: Any) -> Any:
    jsonschema.Draft202012Validator(schema("latency")).validate(document)
    return document


def test_one_operator_more_fails(command: Command, small: Path, more: Path, no_counter: None) -> None:
    """Of the artifact as it is, the gate passes with its own counts for limits."""
    counted = command("bench", small, more, "--count-only", "--json")
    assert counted.code == 0, counted.err
    document = _checked(counted.json)
    assert document["gate"] is None and document["complete"]
    assert document["counting"]["only"] and document["counting"]["counter"] is None
    before, after = document["rows"]
    assert before["multiply_adds"] > 1e6
    assert after["operators"] == before["operators"] + 1
    assert after["multiply_adds"] == before["multiply_adds"] + 100
    for row in document["rows"]:
        assert (row["wall_ns"], row["summary"], row["timed"]) == ([], None, False)
        assert row["verdict"] == {"word": "counted", "reasons": []}
        assert row["instructions"] is row["counted_by"] is None
        assert "valgrind is not installed" in row["notes"][-1]
    for option, figure in (("--max-operators", "operators"), ("--max-multiply-adds", "multiply_adds")):
        limits = (option, str(before[figure]))
        done = command("bench", small, more, "--count-only", *limits, "--json")
        assert done.code == 1, done.err
        document = _checked(done.json)
        assert document["gate"] == "failed" and document["complete"]
        assert document["counting"][f"max_{figure}"] == before[figure]
        assert document["rows"][0]["exceeded"] == []
        (line,) = document["rows"][1]["exceeded"]
        assert f"{after[figure]:,}" in line and f"the most allowed is {before[figure]:,} (" in line
    assert command("bench", small, "--count-only", *limits).code == 0


def test_counts_beside_times(command: Command, small: Path, no_counter: None, tmp_path: Path) -> None:
    """A limit implies --count; what was timed is as it is without."""
    output = tmp_path / "latency.json"
    done = command("bench", small, *SHORT, "--max-operators", "1000", "--output", output)
    assert done.code == 0, done.err
    row = _checked(json.loads(output.read_text("utf-8")))["rows"][0]
    assert len(row["wall_ns"]) >= 64 and row["timed"] and row["complete"] and row["operators"] > 5
    assert "an inference takes" in done.out and "1 row within the limits" in done.out


def test_a_model_that_does_not_load(command: Command, small: Path, no_counter: None, tmp_path: Path) -> None:
    cut = with_model(small, tmp_path / "cut", lambda path: path.write_bytes(path.read_bytes()[:1000]))
    done = command("bench", cut, "--count-only", "--max-operators", "1000", "--json")
    assert done.code == 1
    document = _checked(done.json)
    assert document["gate"] == "failed" and "ONNX model cannot be read" in document["rows"][0]["failure"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--max-instructions", "9"], 5, "apt-get install valgrind"),
        (["--count", "--counter", "valgrind"], 5, "apt-get install valgrind"),
        (["--count", "--counter", "perf"], 2, "--counter takes: auto, perf_event, valgrind"),
        (["--max-operators", "0"], 2, "--max-operators"),
        (["--count-only", "--save-baseline", "kept"], 2, "--count instead"),
        (["--max-operators", "9", "--runner", "pytorch-eager", "--model", "user_models:resnet"], 4, "alone"),
    ],
)  # fmt: skip
def test_what_is_refused_before_anything_is_measured(
    command: Command, small: Path, no_counter: None, arguments: list[str], code: int, words: str
) -> None:
    done = command("bench", small, *arguments)
    assert done.code == code
    assert words in done.err and len(done.err.splitlines()) <= 3
    assert done.out == ""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_valgrind_counts_the_same_again(command: Command, small: Path, more: Path) -> None:
    """Within 0.1 % of itself; and one small product more is more."""
    asked = ("--count-only", "--counter", "valgrind", "--json")
    done = command("bench", small, small, more, *asked)
    assert done.code == 0, done.err
    first, again, other = _checked(done.json)["rows"]
    assert first["counted_by"] == "valgrind" and first["notes"] == []
    assert first["instructions"] > 100_000
    assert again["instructions"] == pytest.approx(first["instructions"], rel=1e-3)
    assert other["instructions"] > 1.001 * max(first["instructions"], again["instructions"])
    limit = str(first["instructions"] // 2)
    done = command("bench", small, "--max-instructions", limit, *asked)
    assert done.code == 1 and done.json["gate"] == "failed"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_a_product_more_is_seen_in_cloformer(
    command: Command, exported: Exports, checkpoint: Path, tmp_path: Path
) -> None:
    """At 224 pixels: the count is the same again, and one matrix product, 2 % of the multiply-adds, is over 1 %."""
    base = exported(weights=checkpoint, formats=("onnx",))["onnx"]
    slower = slow_down(base, tmp_path / "slower", 1)
    limits = ("--max-instructions", "1", "--time-limit", "3000")
    done = command("bench", base, base, slower, *limits, "--count-only", "--counter", "valgrind", "--json")
    assert done.code == 1, done.err
    first, again, more = _checked(done.json)["rows"]
    assert more["multiply_adds"] - first["multiply_adds"] == SIDE**3
    assert again["instructions"] == pytest.approx(first["instructions"], rel=1e-4)
    assert more["instructions"] > 1.01 * first["instructions"]
