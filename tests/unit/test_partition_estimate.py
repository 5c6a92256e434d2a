"""What providers would take, by the file alone: held to what ONNX Runtime's library for Android did with small models."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from android.providers import disagreements, write_operators
from onnx import TensorProto, helper

from cloformer.export.formats.onnx.partition_estimate import estimate_partitions, run_order
from cloformer.export.formats.onnx.provider_operators import TAKERS

SAID = (
    Path(__file__).parents[1] / "android" / "ran-on-xnnpack.json"
)  # `make android-checks` holds it to the library


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("operators") / "models"
    assert write_operators(folder) > 50
    return folder


def test_xnnpack_takes_what_the_library_gave_it(operators: Path) -> None:
    assert disagreements(operators, SAID) == []


@pytest.mark.parametrize("operator", list(TAKERS["xnnpack"].operators))
def test_a_row_that_is_wrong_is_seen(operators: Path, monkeypatch: pytest.MonkeyPatch, operator: str) -> None:
    """One that is missing, and one without its condition."""
    taker = TAKERS["xnnpack"]
    without = {name: row for name, row in taker.operators.items() if name != operator}
    for rows in (without, {**taker.operators, operator: lambda _: True}):
        monkeypatch.setitem(TAKERS, "xnnpack", replace(taker, operators=rows))
        assert any(line.startswith(_stem(operator)) for line in disagreements(operators, SAID))


def _stem(operator: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in operator).lstrip("-")


def _chain(operators: list[str], path: Path, kind: int = TensorProto.FLOAT) -> Path:
    nodes = [
        helper.make_node(name, [f"v{place}"], [f"v{place + 1}"], f"{name}{place}")
        for place, name in enumerate(operators)
    ]
    ends = [helper.make_tensor_value_info(name, kind, [1, 4, 8, 8]) for name in ("v0", f"v{len(operators)}")]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    return path


@pytest.mark.parametrize(
    ("provider", "operators", "taken", "partitions"),
    [
        ("xnnpack", ["Softmax", "Tanh", "Softmax", "Softmax"], 3, 3),
        ("xnnpack", ["Tanh", "Sigmoid"], 0, 1),
        ("nnapi", ["Tanh", "Gelu", "Relu", "Gelu"], 2, 4),
        ("nnapi", ["Tanh", "Relu"], 2, 1),
        ("webgpu", ["Tanh", "Gelu", "Mish", "Relu"], 3, 3),
    ],
)
def test_partitions_are_cut_where_the_side_changes(
    tmp_path: Path, provider: str, operators: list[str], taken: int, partitions: int
) -> None:
    found = estimate_partitions(_chain(operators, tmp_path / "chain.onnx"), provider)
    assert (found.operators, found.taken, found.partitions) == (len(operators), taken, partitions)
    assert sum(number for _, number in found.left) == len(operators) - taken
    assert found.why_not is None


@pytest.mark.parametrize(("provider", "taken"), [("xnnpack", 0), ("nnapi", 0), ("webgpu", 2)])
def test_of_half_floats_only_webgpu_takes_any(tmp_path: Path, provider: str, taken: int) -> None:
    assert (
        estimate_partitions(
            _chain(["Softmax", "Relu"], tmp_path / "half.onnx", TensorProto.FLOAT16), provider
        ).taken
        == taken
    )


def test_of_quantized_models_nothing_is_said(tmp_path: Path) -> None:
    scale = onnx.numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    zero = onnx.numpy_helper.from_array(np.array(0, np.uint8), "zero")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "quantized", ends[:1], ends[1:], [scale, zero])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "quantized.onnx"
    )
    found = estimate_partitions(tmp_path / "quantized.onnx", "xnnpack")
    assert "quantized (QuantizeLinear)" in (found.why_not or "")
    assert found.partitions == 0


def test_operators_run_after_all_that_they_need() -> None:
    draw = random.Random(5)
    for _ in range(50):
        inputs = [
            draw.sample(range(place), min(place, draw.randint(0, 3))) for place in range(draw.randint(1, 30))
        ]
        order = run_order(inputs)
        assert sorted(order) == list(range(len(inputs)))
        place_of = {place: number for number, place in enumerate(order)}
        assert all(
            place_of[before] < place_of[place] for place, reads in enumerate(inputs) for before in reads
        )
    # What was written last is needed last, and so its own way is gone first.
    assert run_order([[], [], [0], [1], [2, 3]]) == [1, 3, 0, 2, 4]
