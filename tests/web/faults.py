"""Faults of a model and of what runs it, of which a device report must say that the model is not right on this device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["MODEL_FAULTS", "RUNTIME_FAULTS", "plant_in_runtime"]

Model = onnx.ModelProto


def _constant(model: Model, name: str) -> onnx.TensorProto:
    return next(item for item in model.graph.initializer if item.name == name)


def _convolutions(model: Model, *, square: bool = False) -> list[onnx.NodeProto]:
    """The larger ones, whose kernel has its own transposed shape if ``square``."""
    found = []
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) == 3:
            shape = tuple(_constant(model, node.input[1]).dims)
            if not square or (shape[2] == shape[3] and shape[2] > 1):
                found.append(node)
    return found


def _change(model: Model, name: str, change: Callable[[Any], Any]) -> None:
    tensor = _constant(model, name)
    value = numpy_helper.to_array(tensor)
    changed = np.ascontiguousarray(change(value).astype(value.dtype))
    assert not np.array_equal(changed, value), f"{name} stays what it is"
    tensor.CopyFrom(numpy_helper.from_array(changed, name))


def _weights_disturbed(model: Model) -> None:
    draw = np.random.default_rng(3)
    node = _convolutions(model)[-1]
    _change(model, node.input[1], lambda value: value * draw.normal(1, 0.02, value.shape))


def _bias_dropped(model: Model) -> None:
    _change(model, _convolutions(model)[0].input[2], np.zeros_like)


def _kernel_transposed(model: Model) -> None:
    _change(model, _convolutions(model, square=True)[0].input[1], lambda value: value.transpose(0, 1, 3, 2))


def _operator_replaced(model: Model) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Gelu")
    node.op_type = "Relu"
    del node.attribute[:]


def _sum_turned(model: Model) -> None:
    node = [node for node in model.graph.node if node.op_type == "Add"][-1]
    node.op_type = "Sub"


def _saved(change: Callable[[Model], None]) -> Callable[[Path], None]:
    def on_file(path: Path) -> None:
        model = onnx.load(path)
        change(model)
        onnx.save(model, path)

    return on_file


# What is done to the ONNX file of an artifact whose manifest then names it as if it had been exported.
MODEL_FAULTS = {
    "weights of one convolution disturbed by 2 %": _saved(_weights_disturbed),
    "a bias dropped": _saved(_bias_dropped),
    "a kernel transposed": _saved(_kernel_transposed),
    "a GELU replaced by a ReLU": _saved(_operator_replaced),
    "a sum made a difference": _saved(_sum_turned),
}

# What is done to ``values``, each output's own, after each inference of the page's runtime. ``before`` are those of the last one.
RUNTIME_FAULTS = {
    "outputs scaled by 1.001": "values.map((value) => value * 1.001)",
    "outputs in the reverse order": "values.slice().reverse()",
    "one value is no number": "values.map((value, at) => (at === 1 ? NaN : value))",
    "outputs all zero": "values.map(() => 0)",
    "probabilities in the place of scores": (
        "values.map((value, _, all) => Math.exp(value - Math.max(...all)) / all.reduce((sum, x) => sum + Math.exp(x - Math.max(...all)), 0))"
    ),
    "the outputs of the image before": "before ?? values",
}

_WRAPPED = """
import * as ort from "./ort.real.mjs";
export * from "./ort.real.mjs";
const last = new Map();
const faulty = (name, values) => {
  const before = last.get(name);
  last.set(name, values.slice());
  return FAULT;
};
export const InferenceSession = {
  async create(...given) {
    const session = await ort.InferenceSession.create(...given);
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      release: () => session.release(),
      async run(...inputs) {
        const found = await session.run(...inputs);
        return Object.fromEntries(
          Object.entries(found).map(([name, { type, data, dims }]) => [name, new ort.Tensor(type, faulty(name, data), dims)]),
        );
      },
    };
  },
};
"""


def plant_in_runtime(copy: Path, fault: str) -> None:
    """In a copy of a bundle, between the page and the runtime for WebAssembly."""
    module = copy / "runtime/ort.wasm.min.mjs"
    module.rename(module.with_name("ort.real.mjs"))
    module.write_text(_WRAPPED.replace("FAULT", fault), "utf-8")
