"""Reading an ONNX file that may have been made by anybody: refused before a runtime is given it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.read import decoding, read_bytes

if TYPE_CHECKING:
    import onnx
    from google.protobuf.message import Message

__all__ = ["MAX_BYTES", "inferred", "read_onnx", "serialized"]


MAX_ELEMENTS = 2**28  # of one value: 1 GiB of float32, a hundred times what a model for a phone has
MAX_BYTES = 2**31  # protobuf's own limit
_LOOPS = ("Loop", "Scan")


def serialized(model: onnx.ModelProto) -> bytes:
    """The file's bytes, the same for the same model.

    Protobuf says alike of a model beyond its own limit and of one for which there is no memory left: the first is
    :class:`UnsupportedError`, the second :class:`MemoryError`.
    """
    from google.protobuf.message import EncodeError

    try:
        return bytes(model.SerializeToString(deterministic=True))
    except EncodeError:
        held = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if held < MAX_BYTES:
        raise MemoryError("protobuf had no memory left for the model's bytes")
    raise UnsupportedError(
        f"the model's weights take {held / 1e9:.1f} GB, and an ONNX file in one piece holds {MAX_BYTES / 1e9:.1f}",
        "export it with --precision fp16 or int8-weights, or a smaller model",
    )


def read_onnx(path: Path) -> onnx.ModelProto:
    """The model; :class:`InputError` for one that reads other files, or could run without end.

    Refused are weights in another file, which could be any file of this machine; loops and functions, whose
    work is not bounded by the size of the file; and values larger than ``MAX_ELEMENTS``.
    """
    import onnx

    again = "export it again"
    data = read_bytes(path, MAX_BYTES, again, follow_links=False)
    with decoding(f"{path} as an ONNX model", again):
        model = onnx.load_model_from_string(data)
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto) and message.data_location == onnx.TensorProto.EXTERNAL:
            raise InputError(
                f"{path} takes its weights from another file", "do not use this model; export it again"
            )
        if isinstance(message, onnx.NodeProto) and message.op_type in _LOOPS:
            raise InputError(
                f"{path} has a loop ({message.op_type} {message.name}), and no export has", again
            )
    if model.functions:
        raise InputError(
            f"{path} has functions of its own ({model.functions[0].name}), and no export has", again
        )
    for name, shape in _shapes(model, path):
        if math.prod(max(size, 1) for size in shape) > MAX_ELEMENTS:
            raise InputError(
                f"{path}: {name} has the shape {shape}, more than {MAX_ELEMENTS} elements", again
            )
    return model


def inferred(model: onnx.ModelProto, *, strict: bool = False) -> onnx.GraphProto:
    """The model's graph with the type and shape of every value that can be told without running it; raises what onnx raises.

    Constants of two axes and more are there without their numbers: no operator reads a shape in them, and they are nearly
    all of a model's bytes, which onnx would copy five times.
    """
    import onnx

    given = model.graph
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    bare.functions.extend(model.functions)
    bare.graph.name = given.name
    for name in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(bare.graph, name).extend(getattr(given, name))
    for tensor in given.initializer:
        shape_alone = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        bare.graph.initializer.append(shape_alone if len(tensor.dims) > 1 else tensor)
    # Without data propagation, which would write out a Range of any length.
    return onnx.shape_inference.infer_shapes(bare, strict_mode=strict).graph


def _shapes(model: onnx.ModelProto, path: Path) -> Iterator[tuple[str, list[int]]]:
    """The shape of every value that can be told without running anything."""
    with decoding(f"{path} as a sound ONNX model", "export it again"):
        graph = inferred(model)
    for value in (*graph.input, *graph.value_info, *graph.output):
        yield value.name, [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
    for tensor in graph.initializer:
        yield tensor.name, list(tensor.dims)


def _messages(message: Message) -> Iterator[Message]:
    """Every tensor and node below a message: also those in attributes, subgraphs and functions."""
    import onnx

    waiting = [message]
    while waiting:
        current = waiting.pop()
        if isinstance(current, (onnx.TensorProto, onnx.NodeProto)):
            yield current
        if isinstance(current, onnx.TensorProto):
            continue
        for field, value in current.ListFields():
            if field.message_type is not None:
                waiting += value if field.is_repeated else [value]
