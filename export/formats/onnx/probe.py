"""An ONNX file with values inside it as further outputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloformer.io.write import write_whole

from ..probe import InnerValue
from .file import inferred, read_onnx, serialized

if TYPE_CHECKING:
    import onnx

__all__ = [
    "MOST_BYTES",
    "MOST_OUTPUTS",
    "WIDE",
    "changes_values",
    "exposing",
    "inner_values",
    "optimization",
    "quantizes",
    "write_probe",
]

WIDE = "_as_float32"
MOST_OUTPUTS = None  # ONNX Runtime has no limit
# All outputs of an inference are held at once, beside the model: a quarter of a GiB is what a test may take on any phone of
# Android 7 and later.
MOST_BYTES = 2**28


def inner_values(path: Path) -> tuple[list[InnerValue], dict[str, tuple[str, ...]]]:
    """As :class:`..probe.ProbeWriter` says."""
    import onnx

    model = read_onnx(path)
    graph = inferred(model)
    held = {item.name for item in model.graph.initializer}
    types = {item.name: item.type.tensor_type for item in (*graph.value_info, *graph.output)}
    found: list[InnerValue] = []
    reads: dict[str, tuple[str, ...]] = {}
    for node in model.graph.node:
        given = tuple(name for name in node.input if name and name not in held)
        for name in filter(None, node.output):
            reads[name] = given
            kind = types.get(name)
            if kind is None or not kind.elem_type or kind.elem_type == onnx.TensorProto.STRING:
                continue
            is_wide = kind.elem_type == onnx.TensorProto.BFLOAT16
            dtype = "float32" if is_wide else onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
            shape = tuple(size.dim_value for size in kind.shape.dim)
            found.append(InnerValue(name, f"{name}{WIDE}" if is_wide else name, dtype, shape, given))
    return found, reads


def write_probe(path: Path, values: Sequence[InnerValue], target: Path) -> None:
    """As :class:`..probe.ProbeWriter` says."""
    write_whole(
        target, serialized(exposing(read_onnx(path), {item.name for item in values})), "free some space"
    )


def optimization(path: Path) -> str | None:
    """As :class:`..probe.ProbeWriter` says: the optimizer gives others under the names of narrow and quantized values."""
    return "off" if changes_values(read_onnx(path)) else None


def changes_values(model: onnx.ModelProto) -> bool:
    """Whether ONNX Runtime's optimizer fuses what is narrow or quantized, and then gives others under the values' names."""
    return bool(_narrow(model)) or quantizes(model)


def quantizes(model: onnx.ModelProto) -> bool:
    """Whether some of it is computed in 8 bits."""
    return any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def exposing(model: onnx.ModelProto, names: Collection[str] | None = None) -> onnx.ModelProto:
    """``model`` itself with every value as an output, or those in ``names``; those of bfloat16, which NumPy has not, as float32.

    A processor without kernels for float16 computes in float32, and what reads a value gets it before it was rounded. Two
    copies behind each, where nothing is optimized, keep the runtime from that.
    """
    import onnx

    given = {output.name for output in model.graph.output}
    kinds = _narrow(model)
    copies: dict[str, str] = {}
    nodes = []
    for node in model.graph.node:
        node.input[:] = [copies.get(name, name) for name in node.input]
        nodes.append(node)
        for name in node.output:
            if not name or (names is not None and name not in names):
                continue
            kind = kinds.get(name)
            shown = f"{name}{WIDE}" if kind == onnx.TensorProto.BFLOAT16 else name
            if shown != name:
                nodes.append(onnx.helper.make_node("Cast", [name], [shown], to=onnx.TensorProto.FLOAT))
            if name not in given:
                model.graph.output.append(onnx.ValueInfoProto(name=shown))
            if kind == onnx.TensorProto.FLOAT16 and name not in given:
                first, copies[name] = f"{name}_copied", f"{name}_copied_again"
                nodes.append(onnx.helper.make_node("Identity", [name], [first]))
                nodes.append(onnx.helper.make_node("Identity", [first], [copies[name]]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _narrow(model: onnx.ModelProto) -> dict[str, int]:
    """The values of 16 bits with their type; where nothing is cast to one there are none, and no type need be inferred to find
    out."""
    import onnx

    kinds = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    casts = (node.attribute for node in model.graph.node if node.op_type == "Cast")
    given = any(item.type.tensor_type.elem_type in kinds for item in model.graph.input)
    if not given and not any(attribute.i in kinds for attributes in casts for attribute in attributes):
        return {}
    found = {info.name: info.type.tensor_type.elem_type for info in inferred(model).value_info}
    return {name: kind for name, kind in found.items() if kind in kinds}
