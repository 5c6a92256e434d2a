"""Counts against limits and baselines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from cloformer.errors import InputError, UnsupportedError
from cloformer.export.device.arm64 import PROCESSOR
from cloformer.export.device.exchange import read_counts, read_readings, write_input
from cloformer.export.device.instructions import (
    Gate,
    InstructionBaseline,
    InstructionCounts,
    read_baseline,
    save_baseline,
)
from cloformer.export.reports.device.instructions import counts_json, render
from cloformer.export.source.signature import TensorSpec

SCHEMA = Path(__file__).parent.parent.parent / "export" / "schemas" / "parity.schema.json"
HERE = {"qemu": "7.2.22", "processor": PROCESSOR, "onnxruntime": "1.31.1", "libc": "2.36", "threads": "1"}
WORK = InstructionCounts("a", "0" * 64, {"photo.jpg": 1_000_000, "noise": 2_000_000}, {"model": "m"}, HERE)


def _against(instructions: dict[str, int], more: float = 0.005) -> tuple[str, ...]:
    gate = Gate(baseline=InstructionBaseline(Path("b.json"), WORK), max_regression=more)
    return gate.exceeded(replace(WORK, instructions=instructions))


def test_a_baseline_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "b.json"
    save_baseline(path, WORK)
    assert read_baseline(path).work == WORK
    with pytest.raises(InputError, match="there already"):
        save_baseline(path, WORK)


def test_more_than_the_tolerance_fails() -> None:
    assert _against({"photo.jpg": 1_005_000, "noise": 2_000_000}) == ()
    assert _against({"photo.jpg": 500_000, "noise": 2_000_000}) == ()
    (line,) = _against({"photo.jpg": 1_005_001, "noise": 2_000_000})
    assert "photo.jpg: 1,005,001 instructions, +0.50% from the baseline's 1,000,000" in line
    assert len(_against({"photo.jpg": 1_020_000, "noise": 2_040_000})) == 2
    assert len(_against({"photo.jpg": 1_000_001, "noise": 2_000_000}, more=0.0)) == 1


def test_an_input_without_a_counterpart_fails() -> None:
    (line,) = _against({"photo.jpg": 1_000_000})
    assert line == "noise is not in the run, so its instructions cannot be compared"
    (line,) = _against({**WORK.instructions, "more": 5})
    assert line == "more is not in the baseline, so its instructions cannot be compared"


def test_a_limit_holds_for_the_input_that_takes_the_most() -> None:
    assert Gate(max_instructions=2_000_000).exceeded(WORK) == ()
    (line,) = Gate(max_instructions=1_900_000).exceeded(WORK)
    assert line == "2,000,000 instructions, and the most allowed is 1,900,000 (+5.26%)"
    assert Gate().exceeded(WORK) == () and not Gate().has_limits


@pytest.mark.parametrize("field", sorted(HERE))
def test_another_environment_is_refused_by_name(field: str) -> None:
    with pytest.raises(
        UnsupportedError, match=f"another environment: {field} was '{HERE[field]}', and here it is 'new'"
    ):
        InstructionBaseline(Path("b.json"), WORK).refuse_another(WORK.subject, HERE | {field: "new"})


def test_another_kind_of_model_is_refused_and_another_model_of_the_kind_is_not() -> None:
    with pytest.raises(UnsupportedError, match="another model: model was 'm', and here it is 'n'"):
        InstructionBaseline(Path("b.json"), WORK).refuse_another({"model": "n"}, HERE)
    with pytest.raises(UnsupportedError, match="another model: precision was None"):
        InstructionBaseline(Path("b.json"), WORK).refuse_another({"model": "m", "precision": "fp32"}, HERE)
    InstructionBaseline(Path("b.json"), replace(WORK, manifest_sha256="1" * 64)).refuse_another(
        WORK.subject, HERE
    )


def test_the_words_are_an_emulated_devices() -> None:
    gate = Gate(
        max_instructions=10**9,
        baseline=InstructionBaseline(Path("b.json"), replace(WORK, manifest_sha256="1" * 64)),
    )
    text = render(WORK, gate)
    assert "2,000,000" in text and "+0.000% from the baseline" in text and "another artifact" in text
    assert "no phone's" in text and "millisecond" not in text and text.endswith("than allowed")
    assert all(len(line) <= 110 for line in text.splitlines())
    assert counts_json(WORK, gate)["gate"] == "passed" and counts_json(WORK, Gate())["gate"] is None
    document = {"reports": [], "work": [counts_json(WORK, gate), counts_json(WORK, Gate())]}
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)


@pytest.mark.parametrize(
    "second",
    [
        "",
        "begin\n",
        "begin\nend 6\nbegin\nend 7\n",
        "begin\nend -6\n",
        "begin\nend six\n",
        "begin\nend 0\n",
        "6\n",
    ],
)
def test_counts_that_are_not_there_verify_nothing(tmp_path: Path, second: str) -> None:
    (tmp_path / "counts").write_text("begin\nend 5\n" + second)
    assert read_counts(tmp_path / "counts", 2) is None
    (tmp_path / "counts").write_text(
        "reading 9\nbegin\nend 5\nbegin\nreading 2\nreading 4\nend 6\nreading 8\n"
    )
    assert read_counts(tmp_path / "counts", 2) == (5, 6)
    assert read_readings(tmp_path / "counts") == (2, 4)  # of the second inference alone


def test_numbers_that_the_model_does_not_take(tmp_path: Path) -> None:
    spec = TensorSpec("image", (1, 3), "float32")
    for value in (np.zeros((3, 1), np.float32), np.zeros((1, 3), np.float64)):
        with pytest.raises(InputError, match="the model takes float32"):
            write_input(tmp_path / "0.in.0", value, spec)
    write_input(tmp_path / "0.in.0", np.ones((1, 3), np.float32), spec)
    assert (tmp_path / "0.in.0").read_bytes() == b"\0\0\x80\x3f" * 3
