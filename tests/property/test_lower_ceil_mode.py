from __future__ import annotations

from collections.abc import Callable

import onnx
import onnx.shape_inference
import pytest
import torch
import torch.nn.functional as F
from onnx import helper
from proof import Lambda, prove, rewritten, traced
from torch import Tensor

from cloformer.export.passes.lower_ceil_mode import LowerCeilMode
from cloformer.export.passes.rewriter import arguments, shape_of

Law = Callable[[Tensor], Tensor]

# On axes of 14 and 16: a window that is dropped on both, on one, and on one while the other needs the mode.
DROPPED: list[Law] = [
    lambda x: F.max_pool2d(x[..., :14], 3, 3, 1, ceil_mode=True),
    lambda x: F.max_pool2d(x, 3, 3, 1, ceil_mode=True),
    lambda x: F.max_pool2d(x, (3, 3), (3, 4), 1, ceil_mode=True),
    lambda x: F.max_pool2d(x, 2, 4, 1, (1, 3), ceil_mode=True),
    lambda x: F.avg_pool2d(x, 3, 3, 1, True),
    lambda x: F.avg_pool2d(x, (3, 3), (3, 4), 1, True, False),
    lambda x: F.max_pool1d(x[:, :, 0, :14], 3, 3, 1, ceil_mode=True),
    lambda x: F.avg_pool1d(x[:, :, 0, :14], 3, 3, 1, True),
    lambda x: F.max_pool3d(x[:, None], (2, 3, 3), (1, 3, 4), (0, 1, 1), ceil_mode=True),
    lambda x: F.avg_pool3d(x[:, None], (2, 3, 3), (1, 3, 4), (0, 1, 1), True),
]
KEPT: list[Law] = [
    lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    lambda x: F.max_pool2d(x, 3, 3, 1),
    lambda x: F.avg_pool2d(x, 2, 2, 0, True),
    lambda x: F.avg_pool2d(x, 3, 3, 1, True, divisor_override=5),
]


def test_law() -> None:
    found = prove(
        Lambda(lambda _, x: [law(x) for law in DROPPED]), LowerCeilMode(), (2, 3, 14, 16), sites=len(DROPPED)
    )
    assert len([name for name in found if "pool" in name]) > len(DROPPED)


def test_left_alone() -> None:
    """Where as many windows are laid as ceil mode asks for, or it is not asked for, or the divisor is the user's."""
    prove(Lambda(lambda _, x: [law(x) for law in KEPT]), LowerCeilMode(), (2, 3, 14, 16), sites=0)


@pytest.mark.parametrize("opset", [18, 23])
def test_onnx_infers_the_shape_that_pytorch_gives(opset: int) -> None:
    before = traced(Lambda(lambda _, x: [law(x) for law in DROPPED[:4]]), (2, 3, 14, 16))
    after, _ = rewritten(before, LowerCeilMode())
    is_same = [
        [
            _inferred(node, opset) == shape_of(node)
            for node in graph.graph_module.graph.nodes
            if _is_pooling(node)
        ]
        for graph in (before, after)
    ]
    assert not all(is_same[0]) or opset > 21  # whose inference drops the window too
    assert all(is_same[1])


def _is_pooling(node: torch.fx.Node) -> bool:
    return node.op == "call_function" and "max_pool2d" in str(node.target)


def _inferred(node: torch.fx.Node, opset: int) -> tuple[int, ...]:
    bound = arguments(node)
    pair = {name: (list(bound[name]) * 2)[:2] for name in ("kernel_size", "stride", "padding", "dilation")}
    pool = helper.make_node(
        "MaxPool", ["x"], ["y"], kernel_shape=pair["kernel_size"], strides=pair["stride"], pads=pair["padding"] * 2,
        dilations=pair["dilation"], ceil_mode=int(bound["ceil_mode"]),
    )  # fmt: skip
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, list(shape_of(bound["self"]) or ()))
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph([pool], "pool", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    found = onnx.shape_inference.infer_shapes(model).graph.output[0]
    return tuple(dim.dim_value for dim in found.type.tensor_type.shape.dim)
