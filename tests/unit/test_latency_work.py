"""Multiply-adds and bytes of ONNX operators, held to PyTorch's own counter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
import user_models
from onnx import TensorProto, helper
from torch import nn

from cloformer.export.formats.onnx.graph_work import Operand, bytes_moved, graph_work, multiply_adds
from cloformer.export.formats.profiler import Work
from cloformer.export.source.counts import multiply_adds as counted_by_torch
from cloformer.export.source.signature import TensorSpec


def _total(model: onnx.ModelProto) -> int:
    counts = [work.multiply_adds for work in graph_work(model)]
    assert None not in counts
    return sum(count or 0 for count in counts)


def _written(model: nn.Module, shape: tuple[int, ...], path: Path) -> onnx.ModelProto:
    torch.onnx.export(model.eval(), (torch.zeros(shape),), path, dynamo=False, opset_version=18)
    return onnx.load(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [user_models.resnet, user_models.mobilenet])
def test_users_models(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    model = make()
    written = _written(model, (1, 3, 64, 64), tmp_path / "model.onnx")
    assert _total(written) == counted_by_torch(model, [TensorSpec("x", (1, 3, 64, 64))]) > 1e6


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 12, (3, 5), (2, 1), (1, 2), groups=4),
        nn.Conv2d(8, 8, 3, dilation=(2, 3), groups=8),
        nn.ConvTranspose2d(8, 6, 3, 2, 1),
        nn.ConvTranspose2d(8, 12, 4, 2, groups=4),
        nn.Sequential(nn.Flatten(), nn.Linear(8 * 14 * 10, 7)),
        nn.Linear(10, 5, bias=False),
    ],
)
def test_layers(layer: nn.Module, tmp_path: Path) -> None:
    written = _written(layer, (2, 8, 14, 10), tmp_path / "layer.onnx")
    assert _total(written) == counted_by_torch(layer, [TensorSpec("x", (2, 8, 14, 10))]) > 0


def _floats(*shapes: tuple[int, ...]) -> list[Operand | None]:
    return [Operand(shape, 4) for shape in shapes]


@pytest.mark.parametrize(
    ("operator", "inputs", "output", "given", "expected"),
    [
        ("MatMul", [(2, 3, 4, 5), (5, 6)], (2, 3, 4, 6), {}, 2 * 3 * 4 * 6 * 5),
        ("MatMul", [(5,), (5, 6)], (6,), {}, 30),
        ("FusedMatMul", [(2, 5, 4), (2, 5, 6)], (2, 4, 6), {"transA": 1}, 2 * 4 * 6 * 5),
        ("FusedMatMul", [(5, 2, 4), (2, 5, 6)], (2, 4, 6), {"transA": 1, "transBatchA": 1}, 2 * 4 * 6 * 5),
        ("FusedMatMul", [(2, 4, 5), (2, 6, 5)], (2, 4, 6), {"transB": 1}, 2 * 4 * 6 * 5),
        ("Gemm", [(5, 4), (6, 5), (6,)], (4, 6), {"transA": 1, "transB": 1}, 4 * 6 * 5),
        ("FusedConv", [(1, 8, 4, 4), (6, 4, 3, 3)], (1, 6, 4, 4), {"group": 2}, 6 * 16 * 4 * 9),
        ("Add", [(4, 4), (4,)], (4, 4), {}, 0),
    ],
)
def test_by_hand(
    operator: str,
    inputs: list[tuple[int, ...]],
    output: tuple[int, ...],
    given: dict[str, int],
    expected: int,
) -> None:
    assert multiply_adds(operator, _floats(*inputs), _floats(output), given) == expected


def test_what_is_not_known_is_not_told() -> None:
    assert multiply_adds("MatMul", _floats((2, 3), (3, 4)), [None], {}) is None
    assert multiply_adds("MatMul", [None, None], _floats((2, 4)), {}) is None
    assert multiply_adds("Einsum", _floats((2, 3)), _floats((2, 3)), {}) is None
    assert multiply_adds("MatMul", [], [], {}) is None


def test_bytes() -> None:
    assert bytes_moved("Add", _floats((4, 4), (4,)), _floats((4, 4))) == 4 * (16 + 4 + 16)
    assert bytes_moved("Conv", _floats((1, 2, 4, 4), (3, 2, 1, 1)), _floats((1, 3, 4, 4))) == 4 * (
        32 + 6 + 48
    )
    assert bytes_moved("Reshape", [Operand((4, 4), 4), Operand((1,), 8)], _floats((16,))) == 0
    assert bytes_moved("Gather", [Operand((1000, 8), 4), Operand((1,), 8)], _floats((1, 8))) == 64
    assert bytes_moved("Add", [None, Operand((4,), 2)], [Operand((4,), 2)]) == 16


def test_a_graph_without_all_shapes() -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "x"], ["y"]), helper.make_node("Relu", ["y"], ["z"])],
        "unknown",
        [value("x", TensorProto.FLOAT16, ["n", 4])],
        [value("z", TensorProto.FLOAT16, None)],
    )
    assert graph_work(helper.make_model(graph)) == [Work(None, 0), Work(0, 0)]
