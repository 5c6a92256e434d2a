"""Matrix products alone, as many multiply-adds as a model has: the time below which it can hardly be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from changed_artifact import with_model
from onnx import helper, numpy_helper

from cloformer.export.artifact.folder import read_artifact

__all__ = ["products_instead"]

INNER = 256  # columns of every product; its rows are what an image of 224 x 224 has
_ROWS = 3 * 224 * 224 // INNER


def products_instead(folder: Path, copy: Path) -> tuple[Path, float]:
    """The artifact with products in place of its model, and their multiply-adds over the model's."""
    wanted = read_artifact(folder).manifest.model.multiply_adds
    each = _ROWS * INNER * INNER
    count = max(1, round(wanted / each))
    return with_model(folder, copy, lambda path: _write(path, count)), count * each / wanted


def _write(path: Path, count: int) -> None:
    model = onnx.load(path)
    image, output = model.graph.input[0], model.graph.output[0].name
    turning = np.linalg.qr(np.random.default_rng(0).normal(size=(INNER, INNER)))[0].astype(np.float32)
    nodes = [helper.make_node("Reshape", [image.name, "shape"], ["p0"])]
    nodes += [helper.make_node("MatMul", [f"p{k}", "turning"], [f"p{k + 1}"]) for k in range(count)]
    nodes[-1].output[0] = output
    graph = helper.make_graph(
        nodes,
        "products",
        [image],
        [helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [_ROWS, INNER])],
        [
            numpy_helper.from_array(turning, "turning"),
            numpy_helper.from_array(np.array([_ROWS, INNER], np.int64), "shape"),
        ],
    )
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(made)
    onnx.save(made, path)
