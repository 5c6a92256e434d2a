"""Small models, an operator each, and what the table of XNNPACK's operators says of them: held to ONNX Runtime's own library."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from cloformer.export.formats.onnx.partition_estimate import estimate_partitions

__all__ = ["disagreements", "write_operators"]

_IMAGE = [1, 4, 8, 8]
_KERNEL = np.full((6, 4, 3, 3), 0.1, np.float32)
_BIAS = np.zeros(6, np.float32)
_WEIGHT = np.full((8, 5), 0.1, np.float32)


def write_operators(folder: Path) -> int:
    """Write each model under its name; how many."""
    folder.mkdir(parents=True)
    count = 0
    for name, model in _models():
        whole = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(whole)
        onnx.save(whole, folder / f"{name}.onnx")
        count += 1
    return count


def disagreements(folder: Path, said: Path) -> list[str]:
    """Models of which the estimate says something else than ``said``, which has the kinds of operators by device for each."""
    found: dict[str, dict[str, list[str]]] = json.loads(said.read_text("utf-8"))
    wrong = []
    for path in sorted(folder.glob("*.onnx")):
        estimate, devices = estimate_partitions(path, "xnnpack"), found[path.stem]
        kinds = Counter(node.op_type for node in onnx.load(path).graph.node)
        taken = kinds - Counter(dict(estimate.left))
        # An activation that is taken is part of the operator before it, and has no kernel of its own.
        inside = {kind for kind in ("Clip", "Relu") if taken.pop(kind, 0)}
        ran = Counter(devices.get("xnnpack", []))
        if taken != ran or inside & set(devices.get("cpu", [])):
            would = sorted([*taken.elements(), *inside])
            wrong.append(
                f"{path.stem}: XNNPACK would take {would or 'nothing'}, and it runs {sorted(ran.elements()) or 'nothing'}"
            )
    return wrong


def _models() -> Iterator[tuple[str, onnx.ModelProto]]:
    conv = {"W": _KERNEL, "B": _BIAS}
    yield "conv", _model("Conv", _IMAGE, conv)
    yield "conv-without-bias", _model("Conv", _IMAGE, {"W": _KERNEL})
    yield "conv-depthwise", _model("Conv", _IMAGE, {"W": _KERNEL[:4, :1], "B": _BIAS[:4]}, group=4)
    yield "conv-groups", _model("Conv", _IMAGE, {"W": _KERNEL[:4, :2], "B": _BIAS[:4]}, group=2)
    yield "conv-strides", _model("Conv", _IMAGE, conv, strides=[2, 2], pads=[1, 1, 1, 1])
    yield "conv-dilations", _model("Conv", _IMAGE, conv, dilations=[2, 2])
    yield "conv-1-axis", _model("Conv", [1, 4, 8], {"W": _KERNEL[..., 0], "B": _BIAS})
    yield "conv-transpose-1-axis", _model("ConvTranspose", [1, 4, 8], {"W": _KERNEL[:4, ..., 0].copy()})
    yield "conv-transpose-weight-given", _model("ConvTranspose", _IMAGE, {}, more={"W": [4, 6, 3, 3]})
    yield "conv-3-axes", _model("Conv", [1, 4, 4, 8, 8], {"W": np.full((6, 4, 1, 3, 3), 0.1, np.float32)})
    yield "max-pool-1-axis", _model("MaxPool", [1, 4, 8], {}, kernel_shape=[2])
    yield "average-pool-1-axis", _model("AveragePool", [1, 4, 8], {}, kernel_shape=[2])
    yield "max-pool-dilations", _model("MaxPool", _IMAGE, {}, kernel_shape=[2, 2], dilations=[2, 2])
    yield "conv-clip", _model("Conv", _IMAGE, conv, then="Clip")
    yield "mat-mul-vector", _model("MatMul", [3, 8], {"W": _WEIGHT[:, 0].copy()})
    yield "mat-mul-of-3-constant", _model("MatMul", [2, 3, 8], {"W": np.stack([_WEIGHT, _WEIGHT])})
    yield "gemm-without-c", _model("Gemm", [1, 8], {"W": _WEIGHT})
    yield "softmax-of-4", _model("Softmax", _IMAGE, {}, axis=3)
    yield "conv-same-upper", _model("Conv", _IMAGE, conv, auto_pad="SAME_UPPER")
    yield "conv-same-lower", _model("Conv", _IMAGE, conv, auto_pad="SAME_LOWER")
    yield "conv-weight-given", _model("Conv", _IMAGE, {}, more={"W": list(_KERNEL.shape)})
    yield "conv-half", _model("Conv", _IMAGE, {"W": _KERNEL.astype(np.float16)}, kind=TensorProto.FLOAT16)
    for activation in ("Relu", "Sigmoid", "Tanh"):
        yield f"conv-{activation.lower()}", _model("Conv", _IMAGE, conv, then=activation)
        yield f"{activation.lower()}-alone", _model(activation, _IMAGE, {})
    yield "conv-relu-read-twice", _model("Conv", _IMAGE, conv, then="Relu", is_read_twice=True)
    yield "conv-transpose", _model("ConvTranspose", _IMAGE, {"W": _KERNEL[:4].copy()}, strides=[2, 2])
    yield "max-pool", _model("MaxPool", _IMAGE, {}, kernel_shape=[2, 2], strides=[2, 2])
    yield "max-pool-ceil", _model("MaxPool", _IMAGE, {}, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    yield "max-pool-relu", _model("MaxPool", _IMAGE, {}, then="Relu", kernel_shape=[2, 2])
    yield "average-pool", _model("AveragePool", _IMAGE, {}, kernel_shape=[2, 2])
    yield (
        "average-pool-padding",
        _model("AveragePool", _IMAGE, {}, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    )
    yield (
        "average-pool-ceil",
        _model("AveragePool", _IMAGE, {}, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    )
    yield "global-average-pool", _model("GlobalAveragePool", _IMAGE, {})
    yield "reduce-mean", _model("ReduceMean", _IMAGE, {"axes": np.array([2, 3])})
    yield "softmax", _model("Softmax", [2, 3, 8], {}, axis=-1)
    yield "softmax-other-axis", _model("Softmax", [2, 3, 8], {}, axis=1)
    yield "mat-mul", _model("MatMul", [3, 8], {"W": _WEIGHT})
    yield "mat-mul-batch", _model("MatMul", [2, 3, 8], {"W": _WEIGHT})
    yield "mat-mul-batches", _model("MatMul", [2, 2, 3, 8], {"W": _WEIGHT})
    yield "mat-mul-given", _model("MatMul", [3, 8], {}, more={"W": [8, 5]})
    yield "gemm", _model("Gemm", [1, 8], {"W": _WEIGHT, "B": _BIAS[:5]})
    yield "gemm-transposed", _model("Gemm", [1, 8], {"W": _WEIGHT.T.copy(), "B": _BIAS[:5]}, transB=1)
    yield "gemm-alpha", _model("Gemm", [1, 8], {"W": _WEIGHT, "B": _BIAS[:5]}, alpha=0.5)
    for mode, way in (
        ("linear", "half_pixel"),
        ("linear", "align_corners"),
        ("linear", "asymmetric"),
        ("nearest", "half_pixel"),
        ("cubic", "half_pixel"),
    ):
        scales = {"roi": np.zeros(0, np.float32), "scales": np.array([1, 1, 2, 2], np.float32)}
        yield (
            f"resize-{mode}-{way}",
            _model("Resize", _IMAGE, scales, mode=mode, coordinate_transformation_mode=way),
        )
    sizes = {"sizes": np.array([1, 4, 11, 13])}
    yield "resize-sizes", _model("Resize", _IMAGE, sizes, left_out=2, mode="linear")
    for operator in ("Add", "Mul", "Sub", "Div"):
        yield operator.lower(), _model(operator, _IMAGE, {"W": np.full(1, 0.5, np.float32)})
    for operator in ("HardSwish", "Gelu", "Elu", "LeakyRelu", "Clip", "InstanceNormalization"):
        given = {"W": _BIAS[:4] + 1, "B": _BIAS[:4]} if operator == "InstanceNormalization" else {}
        yield operator.lower(), _model(operator, _IMAGE, given)


def _model(
    operator: str,
    shape: list[int],
    constants: dict[str, np.ndarray],
    *,
    more: dict[str, list[int]] | None = None,
    left_out: int = 0,
    then: str | None = None,
    is_read_twice: bool = False,
    kind: int = TensorProto.FLOAT,
    **attributes: object,
) -> onnx.ModelProto:
    """Around it the identity twice, as minus of minus, so that it is neither the first operator nor the last."""
    inputs = ["x", *[""] * left_out, *(more or {}), *constants]
    nodes = [
        helper.make_node("Neg", ["image"], ["x"], "before"),
        helper.make_node(operator, inputs, ["y"], "it", **attributes),
    ]
    last = "y"
    if then is not None:
        nodes.append(helper.make_node(then, ["y"], ["z"], "then"))
        last = "z"
    nodes.append(helper.make_node("Neg", [last], ["out"], "after"))
    outputs = [helper.make_tensor_value_info("out", kind, None)]
    if is_read_twice:
        nodes.append(helper.make_node("Neg", ["y"], ["other"], "twice"))
        outputs.append(helper.make_tensor_value_info("other", kind, None))
    graph = helper.make_graph(
        nodes,
        operator,
        [helper.make_tensor_value_info("image", kind, shape)]
        + [helper.make_tensor_value_info(name, kind, size) for name, size in (more or {}).items()],
        outputs,
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
