"""A model that computes the same and takes longer: products that no output depends on by more than zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from changed_artifact import with_model
from onnx import TensorProto, helper, numpy_helper

__all__ = ["SIDE", "slow_down"]

SIDE = 224  # rows, columns and depth of each product: a percent or so of CloFormer-XXS


def slow_down(folder: Path, copy: Path, products: int) -> Path:
    """The ONNX artifact in ``folder`` with ``products`` matrix products of its image added, times zero, to its
    first output."""
    return with_model(folder, copy, lambda path: _add_products(path, products))


def _add_products(path: Path, products: int) -> None:
    model = onnx.load(path)
    graph = model.graph
    image, output = graph.input[0].name, graph.output[0].name
    last = next(node for node in graph.node if output in node.output)
    last.output[list(last.output).index(output)] = "extra_before"
    turning = np.linalg.qr(np.random.default_rng(0).normal(size=(SIDE, SIDE)))[0].astype(np.float32)
    graph.initializer.extend(
        [
            numpy_helper.from_array(turning, "extra_matrix"),
            numpy_helper.from_array(np.array([1, -1, SIDE], np.int64), "extra_shape"),
            numpy_helper.from_array(np.array([0], np.int64), "extra_start"),
            numpy_helper.from_array(np.array([SIDE], np.int64), "extra_end"),
            numpy_helper.from_array(np.array([1], np.int64), "extra_axis"),
            numpy_helper.from_array(np.array(0.0, np.float32), "extra_zero"),
        ]
    )
    nodes = [
        helper.make_node("Reshape", [image, "extra_shape"], ["extra_rows"]),
        helper.make_node("Slice", ["extra_rows", "extra_start", "extra_end", "extra_axis"], ["extra_0"]),
    ]
    nodes += [
        helper.make_node("MatMul", [f"extra_{k}", "extra_matrix"], [f"extra_{k + 1}"])
        for k in range(products)
    ]
    nodes += [
        helper.make_node("ReduceMean", [f"extra_{products}"], ["extra_mean"], keepdims=0),
        helper.make_node("Mul", ["extra_mean", "extra_zero"], ["extra_nothing"]),
        helper.make_node("Add", ["extra_before", "extra_nothing"], [output]),
    ]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    assert graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    onnx.save(model, path)
