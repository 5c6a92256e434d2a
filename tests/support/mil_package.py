"""A small saved package, and ways to change what its model says: for tests of what a reader refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
from coremltools.converters.mil import Builder as mb  # noqa: N813 - its own idiom
from coremltools.proto import MIL_pb2, Model_pb2

from cloformer.export.formats.coreml.mil import Interpreter, read_package, read_spec

MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


def make(path: Path) -> Path:
    """A package that is as it should be: a convolution whose weight is in a file."""
    weight = np.random.default_rng(0).normal(size=(8, 4, 3, 3)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 4, 6, 6))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        return mb.relu(x=mb.conv(x=x, weight=weight, name="convolution"), name="y")

    ct.convert(program, minimum_deployment_target=ct.target.iOS17, skip_model_load=True).save(str(path))
    return path


def edit(package: Path, change: Callable[[Any], None]) -> None:
    """Change the package's model."""
    model = Model_pb2.Model.FromString((package / MODEL).read_bytes())
    change(model)
    (package / MODEL).write_bytes(model.SerializeToString())


def block(model: Any) -> Any:
    main = model.mlProgram.functions["main"]
    return main.block_specializations[main.opset]


def operation(model: Any, kind: str) -> Any:
    return next(item for item in block(model).operations if item.type == kind)


def weight(model: Any) -> Any:
    """The value of the constant that lies in the weight file."""
    for item in block(model).operations:
        if item.attributes["val"].WhichOneof("value") == "blobFileValue":
            return item.attributes["val"]
    raise AssertionError("the sound package has a weight")


def run(package: Path, model: Any = None) -> dict[str, Any]:
    """What the package gives, or another model with its files."""
    read = read_package(package) if model is None else read_spec(model, (package / MODEL).parent)
    inputs = {"x": np.ones((1, 4, 6, 6), np.float32)}
    return Interpreter(read.program.functions[read.default_function]).run(inputs)


def change_size(model: Any, *sizes: int) -> None:
    """The weight is declared to be larger, or smaller, than what is stored."""
    kind = weight(model).type.tensorType
    del kind.dimensions[:]
    kind.rank = len(sizes)
    for size in sizes:
        kind.dimensions.add().constant.size = size


def change_input(model: Any, *sizes: int) -> None:
    kind = model.mlProgram.functions["main"].inputs[0].type.tensorType
    del kind.dimensions[:]
    kind.rank = len(sizes)
    for size in sizes:
        kind.dimensions.add().constant.size = size


def immediate(model: Any) -> Any:
    """The strides of the convolution, written in the model itself: two int32."""
    name = operation(model, "conv").inputs["strides"].arguments[0].name
    return next(item for item in block(model).operations if item.outputs[0].name == name).attributes["val"]


def varint(number: int) -> bytes:
    parts = []
    while number >= 128:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def head(message: Any, field: str, length: int) -> bytes:
    """What stands before a message's field of ``length`` bytes."""
    return varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | 2) + varint(length)


def blocks_in_blocks(depth: int) -> bytes:
    """A model, as bytes: no library writes one that is nested deeper than it reads."""
    heads, length = [], 0
    for _ in range(depth):
        for message, field in ((MIL_pb2.Operation, "blocks"), (MIL_pb2.Block, "operations")):
            heads.append(head(message, field, length))
            length += len(heads[-1])
    data = b"".join(reversed(heads))
    function, program = MIL_pb2.Function, MIL_pb2.Program
    for message, field, key in (
        (function, "block_specializations", b"CoreML7"),
        (program, "functions", b"main"),
    ):
        entry = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(data)) + data
        data = head(message, field, len(entry)) + entry
        if message is function:
            data = head(message, "opset", len(key)) + key + data
    return head(Model_pb2.Model, "mlProgram", len(data)) + data
