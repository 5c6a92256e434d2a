"""An operator of a device's profile is found in the file by the name that ONNX Runtime's optimizer left it with."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from cloformer.errors import InputError
from cloformer.export.formats.onnx.node_values import values_by_node


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("node_conv2d_4", "conv2d_4"),
        ("node_conv2d_4_token_17", "conv2d_4"),
        ("node_conv2d_4_nchwc", "conv2d_4"),
        ("node_conv2d_4_nchwc_token_3", "conv2d_4"),
        ("node_silu/QuickGeluFusion/", "silu"),
        ("node_silu/QuickGeluFusion/_token_2", "silu"),
        ("XnnpackExecutionProvider_Conv_0", None),  # of several operators, under a name of the provider's
        ("Transpose_token_16", None),  # put in
        ("node_conv2d", None),
        ("", None),
    ],
)
def test_names_as_the_profiler_has_them(tmp_path: Path, name: str, value: str | None) -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["conv2d_4"], "node_conv2d_4"),
        helper.make_node("Neg", ["conv2d_4"], ["silu"], "node_silu"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "silu")]
    onnx.save(helper.make_model(helper.make_graph(nodes, "two", ends[:1], ends[1:])), tmp_path / "two.onnx")
    assert values_by_node(tmp_path / "two.onnx")(name) == value


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(InputError):
        values_by_node(tmp_path / "model.onnx")
