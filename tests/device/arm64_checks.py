"""The emulated arm64 device itself: minutes long, and with programs that not everybody has.

``make device-checks`` runs this file; it is no part of the default tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
from benchmarks.slower import slow_down
from changed_artifact import with_model
from onnx import numpy_helper
from outcome import Command

from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest

SCHEMAS = Path(__file__).parent.parent.parent / "export" / "schemas"
SCHEMA, PROFILE = SCHEMAS / "parity.schema.json", SCHEMAS / "instruction-profile.schema.json"
_MADE_FOR = {"android-library": "arm64", "android-library:xnnpack": "arm64-xnnpack"}
_MOST = {"android-library": 480_000_000, "android-library:xnnpack": 338_000_000}
MORE_PRODUCTS = 1  # of 224 x 224 matrices: 0.77 % of CloFormer-XXS's instructions on arm64


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """CloFormer-XXS with the reference weights, as ONNX."""
    output = tmp_path_factory.mktemp("onnx")
    return export(ExportRequest(weights=checkpoint, formats=("onnx",), output=output))[0].artifact.folder


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first check leaves its counts for the others."""
    return tmp_path_factory.mktemp("baseline") / "instructions.json"


def _checked(document: Any) -> Any:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    return document


def test_xxs_is_the_pytorch_model_on_arm64(
    command: Command, artifact: Path, checkpoint: Path, baseline: Path
) -> None:
    done = command(
        "parity",
        artifact,
        "--device",
        "arm64",
        "--weights",
        checkpoint,
        "--save-baseline",
        baseline,
        "--json",
    )
    assert done.code == 0, done.err or done.out
    document = _checked(done.json)
    (report,), (work,) = document["reports"], document["work"]
    assert report["runner"] == "emulated device (arm64, qemu-user)"
    assert {item["kind"] for item in report["outputs"]} == {"photograph", "noise"}
    for item in report["outputs"]:
        assert item["passed"] and item["figures"]["max_abs"] < 1e-4 and item["top1"] == 1.0
    assert work["gate"] is None and len(work["instructions"]) == 2
    assert json.loads(baseline.read_text("utf-8"))["instructions"] == work["instructions"]
    print(json.dumps({"instructions": work["instructions"], "environment": work["environment"]}))  # noqa: T201


def test_counts_are_the_same_again(command: Command, artifact: Path, baseline: Path) -> None:
    """By the vectors that the artifact carries, which are the same inputs; and the gate holds."""
    done = command("parity", artifact, "--device", "arm64", "--baseline", baseline, "--json")
    assert done.code == 0, done.err or done.out
    document = _checked(done.json)
    (work,) = document["work"]
    assert document["reports"][0]["reference"] == "conformance vectors"
    before = json.loads(baseline.read_text("utf-8"))["instructions"]
    assert work["gate"] == "passed" and work["baseline"] == before
    assert work["instructions"].keys() == before.keys()
    for name, counted in work["instructions"].items():
        assert abs(counted / before[name] - 1) < 0.001, (name, counted, before[name])
    print(json.dumps({"again": work["instructions"]}))  # noqa: T201


def test_less_than_one_percent_more_work_fails(
    command: Command, artifact: Path, baseline: Path, tmp_path: Path
) -> None:
    """The outputs are those of the model, so that the counts alone tell."""
    more = slow_down(artifact, tmp_path / "more", MORE_PRODUCTS)
    done = command("parity", more, "--device", "arm64", "--baseline", baseline, "--json")
    assert done.code == 1, done.err or done.out
    document = _checked(done.json)
    (report,), (work,) = document["reports"], document["work"]
    assert report["passed"] and work["gate"] == "failed" and len(work["exceeded"]) == 2
    before = json.loads(baseline.read_text("utf-8"))["instructions"]
    for name, counted in work["instructions"].items():
        assert 1.006 < counted / before[name] < 1.01
    print(json.dumps({"with more work": work["instructions"]}))  # noqa: T201


def test_operators_add_up_to_the_inference(command: Command, artifact: Path, tmp_path: Path) -> None:
    """Counted with the runtime's profiler and without it; the dearest operators have a module and a line."""
    page = tmp_path / "profile.html"
    done = command("profile", artifact, "--device", "arm64", "--html", page, "--json")
    assert done.code == 0, done.err or done.out
    jsonschema.Draft202012Validator(json.loads(PROFILE.read_text("utf-8"))).validate(done.json)
    report = done.json["profile"]
    assert abs(report["sum_excess"]) < 0.03 and report["made_for"] == "arm64"
    assert sum(row["instructions"] for row in report["operators"]) == report["total"]["instructions"]
    dearest = sorted(report["operators"], key=lambda row: -row["instructions"])[:10]
    assert all(row["module"] and row["location"] for row in dearest)
    assert (
        0.35 < dearest[0]["instructions_per_multiply_add"] < 0.7
    )  # a dense 3 x 3, as `depthwise_costs` counts it alone
    assert "The dearest first" in page.read_text("utf-8")
    print(json.dumps({"sum of operators": report["total"], "inference": report["instructions"]}))  # noqa: T201


@pytest.mark.parametrize("device", ["android-library", "android-library:xnnpack"])
def test_androids_own_library(command: Command, checkpoint: Path, tmp_path: Path, device: str) -> None:
    """The model, by the list that is made for the provider: in XNNPACK fewer instructions than by itself, operator by operator as well."""
    request = ExportRequest(weights=checkpoint, output=tmp_path, options={"processor": _MADE_FOR[device]})
    artifact = export(request)[0].artifact.folder
    done = command("parity", artifact, "--device", device, "--max-instructions", _MOST[device], "--json")
    assert done.code == 0, done.err or done.out
    document = _checked(done.json)
    (report,), (work,) = document["reports"], document["work"]
    assert report["passed"] and "ONNX Runtime for Android" in report["arithmetic"]
    assert report["runner"].startswith("Android library")
    profile = command("profile", artifact, "--device", device, "--json").json["profile"]
    assert abs(profile["sum_excess"]) < 0.03 and profile["made_for"] == _MADE_FOR[device]
    print(json.dumps({"instructions": work["instructions"], "environment": work["environment"]}))  # noqa: T201


def test_a_small_operator_is_no_dearer_than_its_call(command: Command, small: Path) -> None:
    """The profiler's own work is some ten times an empty call: were it counted, the sum would be far above the inference."""
    done = command("profile", small, "--device", "arm64", "--json")
    assert done.code == 0, done.err or done.out
    report = done.json["profile"]
    assert abs(report["sum_excess"]) < 0.1, report["sum_excess"]


def test_a_wrong_weight_fails(command: Command, small: Path, tmp_path: Path) -> None:
    wrong = with_model(small, tmp_path / "wrong", _change_a_weight)
    done = command("parity", wrong, "--device", "arm64", "--json")
    assert done.code == 1, done.err or done.out
    assert not _checked(done.json)["reports"][0]["passed"]


def test_a_limit_fails_and_holds(command: Command, small: Path) -> None:
    done = command("parity", small, "--device", "arm64", "--max-instructions", "1")
    assert done.code == 1 and "the most allowed is 1 " in done.out and "never" not in done.out
    counted = command("parity", small, "--device", "arm64", "--json").json["work"][0]["instructions"]
    limit = str(max(counted.values()) * 1001 // 1000)
    done = command("parity", small, "--device", "arm64", "--max-instructions", limit)
    assert done.code == 0 and "no more instructions than allowed" in done.out, done.err or done.out


def test_what_the_runtime_refuses_is_an_error(command: Command, small: Path, tmp_path: Path) -> None:
    broken = with_model(small, tmp_path / "broken", _rename_an_operator)
    done = command("parity", broken, "--device", "arm64", "--json")
    assert done.code == 3 and "for arm64 does not run" in done.err
    assert len(done.err.splitlines()) <= 3


def _change_a_weight(path: Path) -> None:
    model = onnx.load(path)
    tensor = max(model.graph.initializer, key=lambda item: int(np.prod(item.dims)))
    value = numpy_helper.to_array(tensor).copy()
    value.flat[0] += 1.0
    tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    onnx.save(model, path)


def _rename_an_operator(path: Path) -> None:
    model = onnx.load(path)
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, path)
