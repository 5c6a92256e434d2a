"""The zoo: a few of its small rows, and what its program makes of rows that end badly."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from zoo import isolated
from zoo.__main__ import finished, run
from zoo.drawn import drawn
from zoo.networks import PUBLISHED_CODE, TIMM, make, networks
from zoo.report import failures, table_of_rows, totals
from zoo.trial import RESULTS, Row, says_where, try_network

SMALL = [item for item in networks().values() if item.style not in (TIMM, PUBLISHED_CODE)]
ROWS = {
    "nested": "onnx fp32",
    "by_shape": "onnx fp32",
    "gpt": "onnx fp32",
    "rotated_text": "onnx fp32",
    "sub_pixel": "coreml fp16",
    "cbam": "coreml fp16",
    "learned_step": "coreml fp16",
    "coupling": "coreml fp16",
}


@pytest.mark.parametrize(("name", "form"), ROWS.items())
def test_a_network_goes_through(name: str, form: str) -> None:
    found = try_network(name, form)
    assert found.result == "passed", found
    assert found.operators > 1


def test_there_are_networks_of_many_styles() -> None:
    """Small ones: no picture has more than 64 pixels a side."""
    assert len(SMALL) >= 120 and len({item.style for item in SMALL}) >= 20
    assert len({networks()[name].style for name in ROWS}) == len(ROWS)
    sides = {
        side for item in SMALL for spec in item.inputs if spec.role == "image" for side in spec.shape[2:]
    }
    assert min(sides) >= 8 and max(sides) <= 64


def test_a_network_is_the_same_at_every_call_and_nothing_is_the_identity() -> None:
    one, other = (make("rep_mixer").state_dict() for _ in range(2))
    for name, value in one.items():
        assert torch.equal(value, other[name])
        assert value.numel() == 1 or value.unique().numel() > 1, name


def test_statistics_are_those_of_what_a_layer_is_given() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    specs = networks()["rep_mixer"].inputs
    drawn(network, specs, images=8)
    with torch.no_grad():
        found = network(torch.randn(8, 3, 32, 32))
    norm = network[1]
    normalized = (found - norm.bias.view(1, -1, 1, 1)) / norm.weight.view(1, -1, 1, 1)
    assert normalized.mean((0, 2, 3)).abs().max() < 0.3 and (normalized.std((0, 2, 3)) - 1).abs().max() < 0.3


def _ends() -> Row:
    os._exit(3)


def _is_killed() -> Row:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _hangs() -> Row:
    time.sleep(60)
    raise AssertionError


def _fills_the_memory() -> Row:
    bytearray(2**40)
    raise AssertionError


ROW = Row("gpt", "transformers", "onnx fp32", "passed")


@pytest.mark.parametrize(
    ("does", "result", "words"),
    [
        (lambda: ROW, "passed", ""),
        (_ends, "crashed", "ended with 3"),
        (_is_killed, "crashed", "SIGKILL"),
        (_hangs, "out of time", "more than 1 s"),
        (_fills_the_memory, "out of memory", ""),
    ],
)
def test_how_a_row_may_end(does, result: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "try_network", lambda *_: does())
    found = isolated.tried(replace(ROW, result=""), 1 if does is _hangs else 60, 64)
    assert found.result == result and words in found.words, found
    assert (found.network, found.form) == (ROW.network, ROW.form)


def test_what_was_found_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Row] = []

    def one(row: Row, *_: int) -> Row:
        tried.append(row)
        return replace(row, result="refused", words="at a.b (c:D:1)\ndo that")

    monkeypatch.setattr("zoo.__main__.tried", one)
    monkeypatch.setattr("zoo.__main__._preload", lambda: None)
    path, rows = (
        tmp_path / "rows.jsonl",
        [replace(ROW, result=""), replace(ROW, result="", form="coreml fp16")],
    )
    run(rows[:1], path, again=False)
    found = run(rows, path, again=False)
    assert tried == rows and found == list(finished(path).values())
    run(rows, path, again=True)
    assert len(tried) == 4


def test_the_bounds_are_kept() -> None:
    rows = [replace(ROW, network=str(number)) for number in range(40)]
    assert failures(rows) == []
    for result, is_right in RESULTS.items():
        other = [replace(ROW, result=result, words="why"), *rows[1:]]
        found = [f"gpt onnx fp32: {result}: why"]
        assert failures(other) == ([] if is_right else found)
        assert result == "passed" or any(result in line and "why" in line for line in table_of_rows(other))
        assert any(line.startswith(f"| {result} |") for line in totals(other))
    refused = [replace(row, result="refused") for row in rows[:3]] + rows[3:]
    assert failures(refused) == ["onnx fp32: 37 of 40 passed, fewer than 95 %"]
    as_core_ml = [replace(row, form="coreml fp16") for row in refused]
    assert failures(as_core_ml) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("aten.x is unknown at layers.0 (nets:Block:12)\nwrite it with others", True),
        ("torch.export cannot follow it\nwhere: nets.py, line 12\nrewrite it", True),
        ("aten.x is unknown at layers.0 (nets:Block:12)", False),
        ("aten.x is unknown\nwrite it with others", False),
        ("an input takes one image, and crops is 5\ndeclare it: --input crops=5x3x8x8", True),
        ("Core ML has a word state\ncall it otherwise: --input x=1x4 --input state_in=1x4", True),
        ("an input is bool\ndeclare it: --input crops=5x3x8x8", False),
        ("an input takes one image, and crops is 5\nexport with one", False),
    ],
)
def test_a_refusal_says_where_and_what_to_do(words: str, says: bool) -> None:
    assert says_where(words) is says
