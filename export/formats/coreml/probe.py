"""An ML Program with values inside it as further outputs: the package's description and the list of outputs are edited, the operators
and the file of weights are those of the model.

Follows ``Model.proto`` and ``MIL.proto`` of the Core ML specification.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloformer.io.read import read_bytes

from ..probe import InnerValue
from .mil import read_package
from .mil.files import model_file
from .mil.program import CONSTEXPR, TensorType
from .mil.read import MAX_MODEL_BYTES

__all__ = ["MOST_BYTES", "MOST_OUTPUTS", "inner_values", "optimization", "write_probe"]

# Apple publishes no limit. What an output keeps together, the planner cannot fuse or place across: of several models with fewer
# outputs each, more is computed as the app's model is, and where one is not, the others still tell.
MOST_OUTPUTS = 128
MOST_BYTES = (
    2**28
)  # all outputs of a prediction are held at once: what a test may take beside the model on any iPhone of iOS 16

# What a multi-array may hold from iOS 16 on (ArrayFeatureType.ArrayDataType); truths and whole numbers of other widths it may not.
_ARRAYS = {"float16": 0x10000 | 16, "float32": 0x10000 | 32, "float64": 0x10000 | 64, "int32": 0x20000 | 32}


def inner_values(path: Path) -> tuple[list[InnerValue], dict[str, tuple[str, ...]]]:
    """As :class:`..probe.ProbeWriter` says."""
    package = read_package(path)
    function = package.program.functions[package.default_function]
    given = {item.name for item in function.inputs}
    found: list[InnerValue] = []
    reads: dict[str, tuple[str, ...]] = {}
    for operation in function.operations:
        own = tuple(name for name in operation.reads() if name in given or name in reads)
        if operation.kind == "const" or operation.kind.startswith(CONSTEXPR) or not own:
            continue
        for value in operation.outputs:
            reads[value.name] = own
            shape = _sizes(value.type)
            if shape is not None:
                found.append(InnerValue(value.name, value.name, value.type.dtype, shape, own))
    return found, reads


def _sizes(kind: TensorType) -> tuple[int, ...] | None:
    """Of what a multi-array may hold: every size is known and there is an axis at least; None of others."""
    if kind.dtype not in _ARRAYS or not kind.shape or kind.is_state:
        return None
    sizes = tuple(size for size in kind.shape if size is not None)
    return sizes if len(sizes) == len(kind.shape) else None


def write_probe(path: Path, values: Sequence[InnerValue], target: Path) -> None:
    """As :class:`..probe.ProbeWriter` says."""
    from coremltools.proto import Model_pb2

    shutil.copytree(path, target)
    file = model_file(target)
    model = Model_pb2.Model.FromString(read_bytes(file, MAX_MODEL_BYTES, "export it again"))
    _add_outputs(model, values)
    file.write_bytes(model.SerializeToString(deterministic=True))


def _add_outputs(model: Any, values: Sequence[InnerValue]) -> None:
    function = model.mlProgram.functions[model.description.defaultFunctionName or "main"]
    block = function.block_specializations[function.opset]
    described = {item.name: item for item in model.description.functions}.get(
        model.description.defaultFunctionName, model.description
    )
    for value in values:
        if value.name in block.outputs:
            continue
        block.outputs.append(value.name)
        feature = described.output.add()
        feature.name = value.name
        feature.shortDescription = "A value inside the model, for its tests"
        feature.type.multiArrayType.dataType = _ARRAYS[value.dtype]
        feature.type.multiArrayType.shape.extend(value.shape)


def optimization(path: Path) -> str | None:
    """Core ML has no levels."""
    del path
    return None
