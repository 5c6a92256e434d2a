"""ONNX models that the format allows, or nearly, and nobody writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..case import ANY

__all__ = ["TROUBLES", "renamed"]

Edit = Callable[[Any], object]


def _external(location: str, **more: str) -> Edit:
    def edit(model: Any) -> None:
        tensor = next(item for item in model.graph.initializer if len(item.dims) == 4)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            tensor.external_data.add(key=key, value=value)

    return edit


def _in_front(kind: str, *constants: list[int], **attributes: Any) -> Edit:
    """A node that computes something large, whose result the first node is given."""

    def edit(model: Any) -> None:
        names = [f"constant{index}" for index in range(len(constants))]
        for name, values in zip(names, constants, strict=True):
            model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        first = [model.graph.input[0].name] if kind in ("Expand", "Tile", "Resize", "Pad", "Reshape") else []
        if kind == "Resize":
            names = ["", "", *names]
        node = helper.make_node(kind, [*first, *names], ["large"], **attributes)
        model.graph.node[0].input[0] = "large"
        model.graph.node.insert(0, node)

    return edit


def _loop(count: int | None, size: int) -> Edit:
    """Goes round as often as it says, or for ever; each time a product of matrices."""

    def edit(model: Any) -> None:
        body = helper.make_graph(
            [helper.make_node("Identity", ["going"], ["again"]), helper.make_node("MatMul", ["state", "state"], ["next"])],
            "body",
            [
                helper.make_tensor_value_info("count", TensorProto.INT64, []),
                helper.make_tensor_value_info("going", TensorProto.BOOL, []),
                helper.make_tensor_value_info("state", TensorProto.FLOAT, [size, size]),
            ],
            [
                helper.make_tensor_value_info("again", TensorProto.BOOL, []),
                helper.make_tensor_value_info("next", TensorProto.FLOAT, [size, size]),
            ],
        )  # fmt: skip
        model.graph.initializer.append(numpy_helper.from_array(np.zeros((size, size), np.float32), "begin"))
        times = ""
        if count is not None:
            times = "times"
            model.graph.initializer.append(numpy_helper.from_array(np.array(count), times))
        model.graph.node.append(helper.make_node("Loop", [times, "", "begin"], ["end"], body=body))

    return edit


def _chain(kind: str, length: int, size: int) -> Edit:
    """Nodes one after the other, each of much work for little of the file."""

    def edit(model: Any) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array([size, size]), "sizes"))
        nodes = [helper.make_node("ConstantOfShape", ["sizes"], ["v0"])]
        for index in range(length):
            inputs = [f"v{index}", f"v{index}"] if kind == "MatMul" else [f"v{index}"]
            nodes.append(helper.make_node(kind, inputs, [f"v{index + 1}"]))
        nodes.append(helper.make_node("ReduceSum", [f"v{length}"], ["sum"], keepdims=0))
        last = model.graph.output[0].name
        for node in model.graph.node:
            node.output[:] = ["before" if name == last else name for name in node.output]
        nodes.append(helper.make_node("Add", ["before", "sum"], [last]))
        model.graph.node.extend(nodes)

    return edit


def _functions(count: int) -> Edit:
    """Each calls the one before it twice."""

    def edit(model: Any) -> None:
        opset = [helper.make_opsetid("", 20), helper.make_opsetid("doubling", 1)]
        model.opset_import.append(helper.make_opsetid("doubling", 1))
        base = helper.make_function(
            "doubling", "f0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opset
        )
        model.functions.append(base)
        for index in range(count):
            nodes = [
                helper.make_node(f"f{index}", ["a"], ["m"], domain="doubling"),
                helper.make_node(f"f{index}", ["m"], ["b"], domain="doubling"),
            ]
            model.functions.append(
                helper.make_function("doubling", f"f{index + 1}", ["a"], ["b"], nodes, opset)
            )
        _call(model, f"f{count}")

    return edit


def _calls_itself(model: Any) -> None:
    model.opset_import.append(helper.make_opsetid("doubling", 1))
    node = helper.make_node("f", ["a"], ["b"], domain="doubling")
    model.functions.append(
        helper.make_function("doubling", "f", ["a"], ["b"], [node], [helper.make_opsetid("doubling", 1)])
    )
    _call(model, "f")


def _call(model: Any, name: str) -> None:
    node = helper.make_node(name, [model.graph.input[0].name], ["called"], domain="doubling")
    model.graph.node[0].input[0] = "called"
    model.graph.node.insert(0, node)


def _initializer(**values: Any) -> Edit:
    def edit(model: Any) -> None:
        for name, value in values.items():
            if isinstance(value, list):
                getattr(model.graph.initializer[0], name)[:] = value
            else:
                setattr(model.graph.initializer[0], name, value)

    return edit


def _weights(value: float) -> Edit:
    def edit(model: Any) -> None:
        for tensor in model.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                tensor.CopyFrom(
                    numpy_helper.from_array(np.full(tuple(tensor.dims), value, np.float32), tensor.name)
                )

    return edit


def renamed(name: str) -> Edit:
    """Every node, and a value on the way."""

    def edit(model: Any) -> None:
        for index, node in enumerate(model.graph.node):
            node.name = f"{name}{index}"
        old = model.graph.node[0].output[0]
        for node in model.graph.node:
            node.output[:] = [name if value == old else value for value in node.output]
            node.input[:] = [name if value == old else value for value in node.input]

    return edit


def _attribute(name: str, value: Any) -> Edit:
    """Of the first convolution."""

    def edit(model: Any) -> None:
        node = next(node for node in model.graph.node if node.op_type == "Conv")
        for index, attribute in reversed(list(enumerate(node.attribute))):
            if attribute.name == name:
                del node.attribute[index]
        node.attribute.append(helper.make_attribute(name, value))

    return edit


def _sizes(*sizes: int | str) -> Edit:
    def edit(model: Any) -> None:
        shape = model.graph.input[0].type.tensor_type.shape
        del shape.dim[:]
        for size in sizes:
            if isinstance(size, str):
                shape.dim.add().dim_param = size
            else:
                shape.dim.add().dim_value = size

    return edit


def _input_type(kind: int) -> Edit:
    return lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", kind)


TROUBLES: dict[str, tuple[Edit, frozenset[int] | None]] = {
    "external data beside the artifact": (_external("../canary.onnx"), None),
    "external data of the system": (_external("../../../../../../../../etc/passwd"), None),
    "external data from the root": (_external("/etc/passwd"), None),
    "external data in the artifact": (_external("kit.safetensors", offset="0", length="64"), ANY),
    "external data in no file": (_external("weights.bin"), None),
    "external data in the model itself": (_external("model.onnx", offset="0", length="18446744073709551615"), None),
    "external data of a device": (_external("/dev/zero"), None),
    "external data of an empty name": (_external(""), None),
    "sizes of 2**60": (_initializer(dims=[1 << 40, 1 << 20]), None),
    "sizes below zero": (_initializer(dims=[-1, -1]), None),
    "sizes whose product is zero by overflow": (_initializer(dims=[1 << 32, 1 << 32]), None),
    "a rank of 65": (_initializer(dims=[1] * 65), None),
    "an unknown type": (_initializer(data_type=99), None),
    "a type of words": (_initializer(data_type=TensorProto.STRING), None),
    "a weight without data": (_initializer(raw_data=b""), None),
    "a weight with too much data": (_initializer(raw_data=bytes(1 << 20)), ANY),
    "a value of 2**40": (_in_front("ConstantOfShape", [1 << 40]), None),
    "a value of 2**33": (_in_front("ConstantOfShape", [1 << 33]), None),
    "expanded to 2**38": (_in_front("Expand", [1 << 20, 3, 512, 512]), None),
    "tiled 2**30 times": (_in_front("Tile", [1 << 10, 1 << 10, 1 << 10, 1]), None),
    "resized by 2**15": (_in_front("Resize", [1, 3, 1 << 20, 1 << 20]), None),
    "padded by 2**20": (_in_front("Pad", [0, 0, 1 << 20, 1 << 20, 0, 0, 0, 0]), None),
    "reshaped to what it is not": (_in_front("Reshape", [7, 7, 7]), None),
    "an endless loop": (_loop(None, 8), None),
    "a loop of 2**40 rounds": (_loop(1 << 40, 8), None),
    "a loop of 10**6 products": (_loop(10**6, 256), None),
    "10,000 products of 2,000 x 2,000": (_chain("MatMul", 10_000, 2000), None),
    "50,000 sines of 4 million": (_chain("Sin", 50_000, 2000), None),
    "functions that double 40 times": (_functions(40), None),
    "a function that calls itself": (_calls_itself, None),
    "no graph": (lambda m: m.ClearField("graph"), None),
    "no nodes": (lambda m: m.graph.ClearField("node"), None),
    "no inputs": (lambda m: m.graph.ClearField("input"), None),
    "no outputs": (lambda m: m.graph.ClearField("output"), None),
    "an output that nothing makes": (lambda m: setattr(m.graph.output[0], "name", "nothing"), None),
    "an output more": (lambda m: m.graph.output.add(name="more"), ANY),
    "an input more": (lambda m: m.graph.input.append(helper.make_tensor_value_info("more", 1, [1])), ANY),
    "an input of another name": (lambda m: setattr(m.graph.input[0], "name", "pixels"), None),
    "an input of words": (_input_type(TensorProto.STRING), None),
    "an input of int64": (_input_type(TensorProto.INT64), None),
    "an input of an unknown type": (_input_type(77), None),
    "an input of another size": (_sizes(1, 3, 64, 64), ANY),
    "an input of free sizes": (_sizes("batch", 3, "height", "width"), ANY),
    "an input of 2**60": (_sizes(1, 3, 1 << 30, 1 << 30), None),
    "an input below zero": (_sizes(-1, 3, -5, 32), ANY),
    "an input without sizes": (_sizes(), None),
    "a node that feeds itself": (
        lambda m: m.graph.node[1].input.__setitem__(0, m.graph.node[1].output[0]), None),
    "nodes in the wrong order": (lambda m: m.graph.node.append(m.graph.node.pop(0)), ANY),
    "a value made twice": (lambda m: m.graph.node.append(m.graph.node[0]), None),
    "an operator that nobody knows": (lambda m: setattr(m.graph.node[0], "op_type", "Frobnicate"), None),
    "an operator without a name": (lambda m: setattr(m.graph.node[0], "op_type", ""), None),
    "a domain that nobody knows": (lambda m: setattr(m.graph.node[0], "domain", "org.example"), None),
    "opset 0": (lambda m: setattr(m.opset_import[0], "version", 0), None),
    "opset 9999": (lambda m: setattr(m.opset_import[0], "version", 9999), None),
    "opset below zero": (lambda m: setattr(m.opset_import[0], "version", -1), None),
    "opset 1": (lambda m: setattr(m.opset_import[0], "version", 1), None),
    "no opset": (lambda m: m.ClearField("opset_import"), None),
    "two opsets": (lambda m: m.opset_import.append(helper.make_opsetid("", 7)), ANY),
    "version 0 of the format": (lambda m: setattr(m, "ir_version", 0), ANY),
    "version 2**31 of the format": (lambda m: setattr(m, "ir_version", 2**31), None),
    "weights that are no numbers": (_weights(float("nan")), ANY),
    "weights without end": (_weights(float("inf")), ANY),
    "weights of 1e38": (_weights(1e38), ANY),
    "weights of 1e-45": (_weights(1e-45), ANY),
    "no strides": (_attribute("strides", [0, 0]), None),
    "strides of 2**62": (_attribute("strides", [1 << 62, 1 << 62]), ANY),
    "strides of words": (_attribute("strides", "wide"), None),
    "pads of 2**31": (_attribute("pads", [1 << 31] * 4), None),
    "pads below zero": (_attribute("pads", [-100] * 4), None),
    "dilations of 2**40": (_attribute("dilations", [1 << 40] * 2), None),
    "groups below zero": (_attribute("group", -3), None),
    "groups of 2**40": (_attribute("group", 1 << 40), None),
    "no groups": (_attribute("group", 0), None),
    "a kernel of 2**31": (_attribute("kernel_shape", [1 << 31] * 2), None),
    "an attribute that nobody knows": (_attribute("surprise", [1] * 1000), ANY),
}  # fmt: skip
