"""ML Programs that the format allows, or nearly, and nobody writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coremltools.proto import MIL_pb2

from ..case import ANY

__all__ = ["TROUBLES", "named", "numbers"]

Edit = Callable[[Any], object]


def _function(model: Any) -> Any:
    return model.mlProgram.functions["main"]


def _block(model: Any) -> Any:
    function = _function(model)
    return function.block_specializations[function.opset]


def _stored(model: Any) -> Any:
    """The value of the first constant that lies in the file of weights, and its type."""
    for item in _block(model).operations:
        if item.type == "const" and item.attributes["val"].WhichOneof("value") == "blobFileValue":
            return item.attributes["val"]
    raise AssertionError("the sound package has weights in a file")


def _stored_sizes(*sizes: int) -> Edit:
    return lambda model: _set_sizes(_stored(model).type.tensorType, sizes)


def _set_sizes(kind: Any, sizes: Sequence[int]) -> None:
    del kind.dimensions[:]
    kind.rank = len(sizes)
    for size in sizes:
        kind.dimensions.add().constant.size = size


def _input_sizes(*sizes: int) -> Edit:
    return lambda model: _set_sizes(_function(model).inputs[0].type.tensorType, sizes)


def _blob(**values: Any) -> Edit:
    def edit(model: Any) -> None:
        for name, value in values.items():
            setattr(_stored(model).blobFileValue, name, value)

    return edit


def _integers(owner: str, value: int) -> Edit:
    """All whole numbers that an operator of this kind is given in the model itself: strides, pads, axes."""

    def edit(model: Any) -> None:
        block = _block(model)
        names = {
            argument.name
            for item in block.operations
            if item.type == owner
            for given in item.inputs.values()
            for argument in given.arguments
        }
        for item in block.operations:
            if item.type == "const" and item.outputs[0].name in names:
                tensor = item.attributes["val"].immediateValue.tensor
                if tensor.WhichOneof("value") == "ints":
                    tensor.ints.values[:] = [value] * len(tensor.ints.values)

    return edit


def _operator(**values: Any) -> Edit:
    """Of the first that is no constant."""

    def edit(model: Any) -> None:
        item = next(item for item in _block(model).operations if item.type != "const")
        for name, value in values.items():
            setattr(item, name, value)

    return edit


def _of_the_operators(change: Callable[[Any], object]) -> Edit:
    return lambda model: change(_block(model).operations)


def _feeds_itself(model: Any) -> None:
    item = next(item for item in _block(model).operations if item.type != "const")
    item.inputs["x"].arguments[0].name = item.outputs[0].name


def named(name: str) -> Edit:
    """A value on the way, and the constants' names."""

    def edit(model: Any) -> None:
        item = next(item for item in _block(model).operations if item.type != "const")
        old = item.outputs[0].name
        for operation in _block(model).operations:
            for output in operation.outputs:
                output.name = name if output.name == old else output.name
            for given in operation.inputs.values():
                for argument in given.arguments:
                    if argument.name == old:  # one without a name holds a value, which a name would displace
                        argument.name = name

    return edit


def _opset(name: str) -> Edit:
    def edit(model: Any) -> None:
        function = _function(model)
        function.block_specializations[name].CopyFrom(function.block_specializations[function.opset])
        function.opset = name

    return edit


def _loop_for_ever(model: Any) -> None:
    """while_loop whose condition is the constant true, which the model's own values never change."""
    block = _block(model)
    first = next(item for item in block.operations if item.type != "const")
    loop = MIL_pb2.Operation(type="while_loop")
    loop.outputs.add().CopyFrom(first.outputs[0])
    loop.outputs[0].name = "round"
    loop.inputs["loop_vars"].arguments.add().name = first.outputs[0].name
    for name in ("condition", "body"):
        inner = loop.blocks.add()
        inner.inputs.add().CopyFrom(first.outputs[0])
        inner.inputs[0].name = "state"
        if name == "body":
            inner.outputs.append("state")
            continue
        truth = inner.operations.add(type="const")
        kind = truth.outputs.add()
        kind.name = "truth"
        kind.type.tensorType.dataType = MIL_pb2.BOOL
        value = truth.attributes["val"]
        value.type.tensorType.dataType = MIL_pb2.BOOL
        value.immediateValue.tensor.bools.values.append(True)
        inner.outputs.append("truth")
    for item in block.operations:
        for given in item.inputs.values():
            for argument in given.arguments:
                if argument.name == first.outputs[0].name:
                    argument.name = "round"
    block.operations.insert(list(block.operations).index(first) + 1, loop)


TROUBLES: dict[str, tuple[Edit, frozenset[int] | None]] = {
    "weights beside the artifact": (_blob(fileName="@model_path/../../../../canary.txt"), None),
    "weights of the system": (_blob(fileName="@model_path/../../../../../../../../../etc/passwd"), None),
    "weights from the root": (_blob(fileName="/etc/passwd"), None),
    "weights in no file": (_blob(fileName="@model_path/weights/other.bin"), None),
    "weights in a file without a name": (_blob(fileName=""), None),
    "weights in the model": (_blob(fileName="@model_path/model.mlmodel"), None),
    "weights at 2**64 - 1": (_blob(offset=2**64 - 1), None),
    "weights at 2**63": (_blob(offset=2**63), None),
    "weights at one": (_blob(offset=1), None),
    "weights of 2**60": (_stored_sizes(1 << 40, 1 << 20), None),
    "weights whose product is zero by overflow": (_stored_sizes(1 << 32, 1 << 32), None),
    "weights of no size": (_stored_sizes(0, 0), None),
    "weights of rank 65": (_stored_sizes(*[1] * 65), None),
    "an input of 2**60": (_input_sizes(1, 3, 1 << 30, 1 << 30), None),
    "an input of another size": (_input_sizes(1, 3, 64, 64), ANY),
    "an input without sizes": (_input_sizes(), None),
    "an endless loop": (_loop_for_ever, None),
    "an operator that nobody knows": (_operator(type="frobnicate"), None),
    "an operator without a name": (_operator(type=""), None),
    "no operators": (_of_the_operators(lambda items: items.__delitem__(slice(None))), None),
    "operators in the wrong order": (_of_the_operators(lambda items: items.insert(0, items.pop())), None),
    "an operator twice": (_of_the_operators(lambda items: items.append(items[-1])), None),
    "an operator that feeds itself": (_feeds_itself, None),
    "version 0": (lambda m: setattr(m, "specificationVersion", 0), ANY),
    "version 9999": (lambda m: setattr(m, "specificationVersion", 9999), ANY),
    "no program": (lambda m: m.ClearField("mlProgram"), None),
    "another kind of model": (lambda m: m.neuralNetwork.SetInParent(), None),
    "no functions": (lambda m: m.mlProgram.ClearField("functions"), None),
    "a function of another name": (
        lambda m: (m.mlProgram.functions["other"].CopyFrom(_function(m)), m.mlProgram.functions.__delitem__("main")), None),
    "an opset that nobody knows": (_opset("CoreML99"), ANY),
    "an opset of an escape code": (_opset("\x1b[2J"), ANY),
    "no block": (lambda m: _function(m).ClearField("block_specializations"), None),
    "a block without outputs": (lambda m: _block(m).ClearField("outputs"), None),
    "no description": (lambda m: m.ClearField("description"), ANY),
    "inputs of another name": (lambda m: setattr(_function(m).inputs[0], "name", "pixels"), None),
    "described inputs of another name": (lambda m: setattr(m.description.input[0], "name", "pixels"), ANY),
    "a described image of 2**31": (
        lambda m: (setattr(m.description.input[0].type.imageType, "width", 2**31),
                   setattr(m.description.input[0].type.imageType, "height", 2**31)), ANY),
}  # fmt: skip


def numbers() -> dict[str, tuple[Edit, frozenset[int] | None]]:
    return {
        f"whole numbers of {owner}: {value}": (_integers(owner, value), ANY)
        for owner in ("conv", "max_pool", "reduce_mean", "reshape", "linear", "classify", "softmax")
        for value in (-1, 0, 7, 2**31 - 1, -(2**31))
    }
