"""Models of float32 computed in float16: what stays as wide as it was, and what is written so that arm64 loads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from cloformer.export.formats.onnx.contents import read_contents
from cloformer.export.formats.onnx.halves import halved

X = np.random.default_rng(0).normal(size=(1, 4, 8, 8)).astype(np.float32)


def _model(nodes: list[onnx.NodeProto], opset: int = 20, **constants: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "h", "w"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def _run(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    kind = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    found = session.run(None, {"x": X.astype(kind)})
    return np.concatenate([np.ravel(each) for each in found])


def _types(model: onnx.ModelProto) -> dict[str, int]:
    found = onnx.shape_inference.infer_shapes(model).graph
    return {info.name: info.type.tensor_type.elem_type for info in (*found.value_info, *found.output)}


NETWORKS = {
    "a product with an input that is an output's": [helper.make_node("Mul", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "x"], ["y"])],
    "gelu": [helper.make_node("Gelu", ["x"], ["a"]), helper.make_node("Gelu", ["a"], ["y"])],
    "pooling": [helper.make_node("AveragePool", ["x"], ["a"], kernel_shape=[2, 2], strides=[2, 2]), helper.make_node("Relu", ["a"], ["y"])],
    "resizing": [helper.make_node("Resize", ["x", "", "factors"], ["a"], mode="linear"), helper.make_node("Mul", ["a", "w"], ["y"])],
    "filled": [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("ConstantOfShape", ["s"], ["c"], value=numpy_helper.from_array(np.float32([0.5]))), helper.make_node("Add", ["x", "c"], ["y"])],
    "a truth that is cast": [helper.make_node("Greater", ["x", "w"], ["t"]), helper.make_node("Cast", ["t"], ["f"], to=TensorProto.FLOAT), helper.make_node("Mul", ["f", "x"], ["y"])],
    "an input that is an output": [helper.make_node("Identity", ["x"], ["y"])],
}  # fmt: skip
CONSTANTS = {"w": np.full((1, 4, 1, 1), 0.3, np.float32), "factors": np.float32([1, 1, 2, 2])}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("opset", [20, 22])
def test_about_the_same_is_computed(name: str, opset: int) -> None:
    read = {value for node in NETWORKS[name] for value in node.input}
    model = _model(NETWORKS[name], opset, **{key: value for key, value in CONSTANTS.items() if key in read})
    want = _run(model)
    for outside, kind in ((False, np.float32), (True, np.float16)):
        got = _run(halved(model, outside=outside))
        assert got.dtype == kind
        np.testing.assert_allclose(got, want, rtol=4e-3, atol=4e-3)
    assert (
        model.SerializeToString()
        == _model(
            NETWORKS[name], opset, **{key: value for key, value in CONSTANTS.items() if key in read}
        ).SerializeToString()
    )


def test_the_numbers_are_half_as_wide() -> None:
    model = halved(_model(NETWORKS["a product with an input that is an output's"], w=CONSTANTS["w"]))
    assert [item.data_type for item in model.graph.initializer] == [TensorProto.FLOAT16]
    assert _types(model)["a"] == TensorProto.FLOAT16 and _types(model)["y"] == TensorProto.FLOAT


def test_what_is_kept_is_computed_in_float32() -> None:
    model = halved(_model(NETWORKS["a product with an input that is an output's"], w=CONSTANTS["w"]), {"a"})
    assert _types(model)["a"] == TensorProto.FLOAT
    assert _types(model)["y_in_float16"] == TensorProto.FLOAT16


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("kept", [(), ("a",), ("y",), ("a", "y")])
def test_an_output_that_is_read_again_or_a_constant(outside: bool, kept: tuple[str, ...]) -> None:
    """Whichever type each is computed in, and given in."""
    nodes = [helper.make_node("Mul", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "x"], ["y"])]
    model = _model(nodes, w=CONSTANTS["w"])
    shapes = {"a": X.shape, "w": CONSTANTS["w"].shape}
    for place, (name, shape) in enumerate(shapes.items()):
        model.graph.output.insert(place, helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    half = halved(model, kept, outside=outside)
    np.testing.assert_allclose(_run(half), _run(model), rtol=4e-3, atol=4e-3)
    given = {info.type.tensor_type.elem_type for info in (*half.graph.input, *half.graph.output)}
    assert given == {TensorProto.FLOAT16 if outside else TensorProto.FLOAT}


def test_constants_beyond_it_are_its_largest_number() -> None:
    values = np.float32([1e9, -1e9, np.inf, -np.inf]).reshape(1, 4, 1, 1)
    model = halved(_model([helper.make_node("Add", ["x", "w"], ["y"])], w=values))
    stored = numpy_helper.to_array(model.graph.initializer[0]).ravel()
    assert stored.tolist() == [65504.0, -65504.0, np.inf, -np.inf]


@pytest.mark.parametrize(
    ("nodes", "number", "is_wide"),
    [
        ([("Mul", "small", "w")], 1e5, True),
        ([("Div", "small", "w")], 1e6, True),
        ([("Mul", "small", "w"), ("Div", "y0", "w")], 1e5, True),
        ([("Exp", "small"), ("Exp", "y0"), ("Div", "w", "y1")], 7e4, True),
        ([("Add", "small", "w"), ("Sub", "y0", "w")], 4e4, False),
        ([("Abs", "large"), ("Sub", "w", "y0"), ("Min", "y1", "large")], 8e4, True),
        ([("Greater", "large", "w"), ("Cast", "y0")], 65520, True),
        ([("Min", "large", "w")], 1e6, False),
        ([("Greater", "x", "small"), ("Cast", "y0"), ("Mul", "y1", "w"), ("Max", "y2", "x")], -1e9, False),
        ([("Abs", "small"), ("Round", "y0"), ("Mul", "y1", "w"), ("Max", "y2", "x")], -1e9, False),
    ],
)
def test_a_constant_beyond_it_makes_no_other_operator(
    nodes: list[tuple[str, ...]], number: float, is_wide: bool
) -> None:
    """A mask of truths is as good with its largest number; what a quotient, a sum or a comparison is given is cast."""
    made = [
        helper.make_node("Mul", ["x", "tenth"], ["small"]),
        helper.make_node("Mul", ["x", "thousands"], ["large"]),
    ]
    for place, (kind, *given) in enumerate(nodes):
        name = "y" if place == len(nodes) - 1 else f"y{place}"
        to = {"to": TensorProto.FLOAT} if kind == "Cast" else {}
        made.append(helper.make_node(kind, given, [name], **to))
    read = {value for node in made for value in node.input}
    made = [node for node in made if node.output[0] in read | {"y"}]
    constants = {"w": np.float32(number), "tenth": np.float32(0.1), "thousands": np.float32(1e4)}
    model = _model(made, **{name: value for name, value in constants.items() if name in read})
    half = halved(model)
    np.testing.assert_allclose(_run(half), _run(model), rtol=4e-3, atol=4e-3)
    kinds = {item.data_type for item in half.graph.initializer if item.name.startswith("w")}
    assert kinds == {TensorProto.FLOAT if is_wide else TensorProto.FLOAT16}


def test_arm64_has_no_kernel_for_gelu_and_new_pools() -> None:
    written = halved(_model(NETWORKS["gelu"]))
    assert "Gelu" not in {node.op_type for node in written.graph.node}
    for opset, kind in ((18, TensorProto.FLOAT16), (20, TensorProto.FLOAT)):
        assert _types(halved(_model(NETWORKS["pooling"], opset)))["a"] == kind


@pytest.mark.parametrize(
    ("number", "stored"), [(1e-12, 2.0**-24), (-1e-12, -(2.0**-24)), (0.0, 0.0), (1e6, 65504.0)]
)
def test_a_lone_number_stays_what_it_is_there_for(number: float, stored: float) -> None:
    model = halved(_model([helper.make_node("Max", ["x", "w"], ["y"])], w=np.float32(number)))
    (half,) = model.graph.initializer
    assert numpy_helper.to_array(half) == np.float16(stored)
    if abs(number) < 1:
        factor = halved(_model([helper.make_node("Mul", ["x", "w"], ["y"])], w=np.float32(number)))
        assert not numpy_helper.to_array(factor.graph.initializer[0]).any()


def test_small_weights_are_zeros() -> None:
    model = halved(
        _model([helper.make_node("Mul", ["x", "w"], ["y"])], w=np.float32([[[1e-12]], [[1.0]]] * 2))
    )
    assert numpy_helper.to_array(model.graph.initializer[0]).ravel().tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
@pytest.mark.parametrize("kind", ["ScatterElements", "ScatterND"])
def test_what_is_scattered_and_reduced_is_in_float32(kind: str, reduction: str) -> None:
    """ONNX Runtime has no kernel for it in float16."""
    places = np.zeros((1, 4, 1, 1), np.int64) if kind == "ScatterElements" else np.zeros((1, 1), np.int64)
    updates = np.full((1, 4, 1, 1) if kind == "ScatterElements" else X.shape, 0.5, np.float32)
    node = helper.make_node(kind, ["x", "places", "updates"], ["y"], reduction=reduction)
    model = _model([node], places=places, updates=updates)
    np.testing.assert_allclose(_run(halved(model)), _run(model), rtol=4e-3, atol=4e-3)


def test_what_is_in_float32_alone_says_nothing_of_the_precision(tmp_path: Path) -> None:
    """The factors of a resizing, and CELU."""
    nodes = [
        NETWORKS["resizing"][0],
        helper.make_node("Celu", ["a"], ["b"]),
        helper.make_node("Mul", ["b", "w"], ["y"]),
    ]
    path = tmp_path / "model.onnx"
    path.write_bytes(halved(_model(nodes, **CONSTANTS)).SerializeToString())
    contents = read_contents(path)
    assert contents.weights == {"float16": 4}
    assert set(contents.results.values()) == {"float16"}
