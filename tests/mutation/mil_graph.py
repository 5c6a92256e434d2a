"""An ML Program as a :class:`.graph.Graph`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator

from cloformer.export.artifact.folder import Artifact
from cloformer.export.formats.coreml.mil import Constant, Operation, read_package
from cloformer.export.formats.coreml.mil.files import model_file
from cloformer.io.quiet import quiet

from .graph import Array, Graph, Operator

with quiet("coremltools"):
    from coremltools.converters.mil.backend.mil.helper import create_scalar_value, create_tensor_value
    from coremltools.proto import MIL_pb2, Model_pb2

__all__ = ["MilGraph"]

_NUMBERS = {MIL_pb2.FLOAT16: np.float16, MIL_pb2.FLOAT32: np.float32}


class MilGraph(Graph):
    """A changed constant is written into the operator's own argument; the weight file stays as it is."""

    tanh_gelu = ("mode", "TANH_APPROXIMATION")
    edge = "replicate"

    def __init__(self, artifact: Artifact) -> None:
        super().__init__(artifact)
        package = read_package(artifact.model_path)
        operations = package.program.functions[package.default_function].operations
        held = {item.outputs[0].name: item.inputs["val"][0] for item in operations if item.kind == "const"}
        self.operators = [
            _operator(index, operation, held)
            for index, operation in enumerate(operations)
            if operation.kind != "const"
        ]
        self._function = package.default_function
        self._sound = Model_pb2.Model.FromString(model_file(artifact.model_path).read_bytes())
        self.restore()

    def restore(self) -> None:
        self._model = Model_pb2.Model()
        self._model.CopyFrom(self._sound)

    def set(self, operator: Operator, name: str, value: Array | str) -> None:
        if isinstance(value, str):
            message = create_scalar_value(value)
        else:
            message = create_tensor_value(_typed(value, operator.constants.get(name)))
        argument = self._operation(operator).inputs[name]
        del argument.arguments[:]
        argument.arguments.add().value.CopyFrom(message)

    def drop(self, operator: Operator, name: str) -> None:
        del self._operation(operator).inputs[name]

    def read(self, operator: Operator, name: str, value: str) -> None:
        parameter, _, number = name.partition(" ")
        self._operation(operator).inputs[parameter].arguments[int(number or 0)].name = value

    def become(
        self, operator: Operator, kind: str, *, x: str | None = None, keep: tuple[str, ...] = ()
    ) -> None:
        operation = self._operation(operator)
        if x is not None:
            operation.inputs["x"].arguments[0].name = x
        operation.type = kind
        for name in [name for name in operation.inputs if name not in ("x", *keep)]:
            del operation.inputs[name]

    def swap_outputs(self, operator: Operator, first: int, second: int) -> None:
        outputs = self._operation(operator).outputs
        outputs[first].name, outputs[second].name = outputs[second].name, outputs[first].name

    def resize_otherwise(self, operator: Operator, random: Generator) -> str:
        scales = ("scale_factor_height", "scale_factor_width")
        if operator.kind == "upsample_nearest_neighbor":
            self.become(operator, "upsample_bilinear", keep=scales)
            return "by lines instead of the nearest"
        if random.random() < 0.3:
            self.become(operator, "upsample_nearest_neighbor", keep=scales)
            return "by the nearest instead of lines"
        align = not operator.constants["align_corners"]
        self.set(operator, "align_corners", np.array(align))
        return f"align_corners is {align}"

    def scale_results(self, factors: Mapping[str, float]) -> None:
        function = self._model.mlProgram.functions[self._function]
        block = function.block_specializations[function.opset]
        made = list(block.operations)
        written = []
        for operation in made:
            written.append(operation)
            for output in operation.outputs:
                if output.name not in factors:
                    continue
                scaled = type(operation)()
                scaled.type = "mul"
                scaled.outputs.add().CopyFrom(output)
                kind = output.type.tensorType.dataType
                name, output.name = output.name, f"{output.name}_before"
                scaled.inputs["x"].arguments.add().name = output.name
                number = np.array(factors[name], _NUMBERS[kind])
                scaled.inputs["y"].arguments.add().value.CopyFrom(create_tensor_value(number))
                scaled.attributes["name"].CopyFrom(create_scalar_value(f"{name}_scaled"))
                written.append(scaled)
        kept = [type(item).FromString(item.SerializeToString()) for item in written]
        del block.operations[:]
        block.operations.extend(kept)

    @property
    def description(self) -> Any:
        """What the package tells apps about itself."""
        return self._model.description

    def _operation(self, operator: Operator) -> Any:
        function = self._model.mlProgram.functions[self._function]
        return function.block_specializations[function.opset].operations[operator.index]

    def _write_model(self, path: Path) -> None:
        model_file(path).write_bytes(self._model.SerializeToString())


def _operator(index: int, operation: Operation, held: dict[str, Any]) -> Operator:
    reads: dict[str, str] = {}
    constants: dict[str, Array] = {}
    for name, argument in operation.inputs.items():
        for number, item in enumerate(argument):
            constant = item if isinstance(item, Constant) else held.get(item)
            if constant is not None:
                constants[name] = _array(constant.value)
            else:
                reads[f"{name} {number}" if len(argument) > 1 else name] = str(item)
    outputs = tuple(item.name for item in operation.outputs)
    return Operator(index, operation.kind, outputs, reads, constants)


def _typed(value: Array, like: Array | None) -> Array:
    return np.asarray(value) if like is None else np.asarray(value, like.dtype)


def _array(value: torch.Tensor | str | list[str]) -> Array:
    return np.array(value.numpy() if isinstance(value, torch.Tensor) else value)
