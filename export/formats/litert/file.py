"""The file of a LiteRT model, a flatbuffer: read from anybody, and written so that the same model is always the same bytes."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cloformer.errors import InputError
from cloformer.io.read import decoding, read_bytes
from cloformer.io.words import bounded

__all__ = ["MAX_BYTES", "Operator", "dtype_of", "name_of", "operators", "packed", "read_model", "shape_of"]

MAX_BYTES = 2**31  # a flatbuffer's own limit
MAX_ELEMENTS = 2**28  # of one value: 1 GiB of float32, a hundred times what a model for a phone has
_AGAIN = "export it again"
_IDENTIFIER = b"TFL3"
_OFFSET = 4  # bytes
_LISTS = (
    "OperatorCodes", "Subgraphs", "Buffers", "Metadata", "SignatureDefs", "ExternalBuffers", "ExternalBufferGroups",
)  # fmt: skip
_KEEP_TYPE = frozenset({
    "AVERAGE_POOL_2D", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "MAX_POOL_2D", "MIRROR_PAD",
    "PACK", "PAD", "PADV2", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SLICE", "SPACE_TO_DEPTH", "SPLIT",
    "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
})  # fmt: skip
_CONVERT = ("CAST", "QUANTIZE")
_SIGNED_AND_UNSIGNED = frozenset({schema.TensorType.INT8, schema.TensorType.UINT8})
_LOOPS = frozenset({"CALL", "CALL_ONCE", "IF", "STABLEHLO_WHILE", "WHILE"})
_ALIGNMENT = 16  # of every constant, as the runtime's own writer has it: kernels read several numbers at once


@dataclass(frozen=True)
class Operator:
    """One operator of the graph: its kind as the schema names it, and its tensors by their places; -1 stands for an operand
    that is left out."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_model(path: Path) -> Any:
    """The model as the schema's own objects; :class:`InputError` for a file that is none, or that is not sound.

    Every part is read here, with its bounds, before the runtime is given the file. Refused are also loops, which may run without
    end, and values larger than ``MAX_ELEMENTS``. Some operators have a graph of their own, which says what they add up. Constants
    that stand behind the flatbuffer, where converters put those of large models, are the model's as all others are.
    """
    data = read_bytes(path, MAX_BYTES, _AGAIN, follow_links=False)
    with decoding(f"{path} as a LiteRT model", _AGAIN):
        if data[4:8] != _IDENTIFIER:
            raise InputError(f"{path} is no LiteRT model: it does not begin as one", _AGAIN)
        found = schema.Model.GetRootAs(data, 0)
        if _is_shared(found, len(data) // _OFFSET):
            raise InputError(
                f"{path} is no LiteRT model: it refers to the same parts again and again", _AGAIN
            )
        model = schema.ModelT.InitFromObj(found)
        problem = _take_in(model, data) or _problem(model)
    if problem is not None:
        raise InputError(f"{path} {problem}", _AGAIN)
    return model


def _is_shared(model: Any, most: int) -> bool:
    """Whether a file refers to more than ``most`` parts. Each has an offset of its own in a sound one; a small file that refers to
    one part from many places would be read without end."""
    found = 0
    for count in _counts(model):
        found += count
        if found > most:
            return True
    return False


def _counts(model: Any) -> Iterator[int]:
    """How many parts each part has that are parts themselves."""
    for name in _LISTS:
        yield getattr(model, f"{name}Length")()
    for function in (model.SignatureDefs(number) for number in range(model.SignatureDefsLength())):
        yield function.InputsLength() + function.OutputsLength()
    for graph in (model.Subgraphs(number) for number in range(model.SubgraphsLength())):
        yield graph.TensorsLength() + graph.OperatorsLength()
        for tensor in (graph.Tensors(number) for number in range(graph.TensorsLength())):
            sparsity = tensor.Sparsity()
            yield tensor.VariantTensorsLength() + (0 if sparsity is None else sparsity.DimMetadataLength())


def _take_in(model: Any, data: bytes) -> str | None:
    """Makes constants that stand behind the flatbuffer, at an offset of the file, the buffers' own; what is wrong with one.

    All of them together are no larger than the file, or a small one that gives many the same place would be written as a large one.
    """
    behind = [buffer for buffer in model.buffers or () if buffer.offset > 1]
    if any(buffer.offset + buffer.size > len(data) for buffer in behind):
        return "has a constant that begins or ends behind the file"
    if any(buffer.data is not None and len(buffer.data) for buffer in behind):
        return "has a constant that stands in two places"
    if sum(buffer.size for buffer in behind) > len(data):
        return "has constants that are larger together than the file"
    for buffer in behind:
        buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return None


def _problem(model: Any) -> str | None:
    """What keeps a model from being graphs whose parts refer to parts that are there."""
    if not model.subgraphs:
        return "has no graph"
    if model.externalBufferGroups:
        return "keeps constants in other files, and no export does"
    functions: Sequence[Any] = model.signatureDefs or ()
    if len(functions) != 1 or not functions[0].inputs or not functions[0].outputs:
        return "is not one function with inputs and outputs"
    places = [entry.tensorIndex for entry in (*functions[0].inputs, *functions[0].outputs)]
    if any(not 0 <= place < len(model.subgraphs[0].tensors or ()) for place in places):
        return "is a function of tensors that are not there"
    return next(filter(None, (_problem_of(graph, model) for graph in model.subgraphs)), None)


def _problem_of(graph: Any, model: Any) -> str | None:
    tensors = graph.tensors or ()
    for tensor in tensors:
        if not 0 <= tensor.buffer < len(model.buffers or ()):
            return "has a tensor whose buffer is not there"
        if math.prod(max(size, 1) for size in shape_of(tensor)) > MAX_ELEMENTS:
            return f"has a value of the shape {list(shape_of(tensor))}, more than {MAX_ELEMENTS} elements"
    used = [*_places(graph.inputs), *_places(graph.outputs)]
    for item in graph.operators or ():
        if not 0 <= item.opcodeIndex < len(model.operatorCodes or ()):
            return "has an operator without a kind"
        if (kind := _kind(model, item)) in _LOOPS:
            return f"has a loop or a branch ({kind}){_at(item, tensors)}, and no export has"
        if (wrong := _wrong_types(item, kind, tensors)) is not None:
            return f"has an operator ({kind}) that {wrong}{_at(item, tensors)}"
        used += [place for place in (*_places(item.inputs), *_places(item.outputs)) if place != -1]
    return "refers to a tensor that is not there" if any(not 0 <= p < len(tensors) for p in used) else None


def _wrong_types(operator: Any, kind: str, tensors: Sequence[Any]) -> str | None:
    """Types that the runtime's delegate takes for granted, and ends the process where they are others."""
    given, made = (
        {tensors[place].type for place in _places(half) if 0 <= place < len(tensors)}
        for half in (operator.inputs, operator.outputs)
    )
    if kind in _KEEP_TYPE and not made <= given:
        return "only moves numbers, and gives them another type"
    if kind not in _CONVERT and given | made >= _SIGNED_AND_UNSIGNED:
        return "takes signed and unsigned bytes for the same"
    return None


def _at(operator: Any, tensors: Sequence[Any]) -> str:
    """What the operator gives, by its name, if it is there."""
    place = next(iter(_places(operator.outputs)), -1)
    name = name_of(tensors[place]) if 0 <= place < len(tensors) else ""
    return f" at {bounded(name, 80)}" if name else ""


def operators(model: Any) -> Iterator[Operator]:
    """The operators in the order they run."""
    for item in model.subgraphs[0].operators or ():
        yield Operator(_kind(model, item), _places(item.inputs), _places(item.outputs))


def _kind(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return str(code.customCode.decode("utf-8", "replace"))
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _kinds().get(number, f"operator {number}")


@functools.cache
def _kinds() -> Mapping[int, str]:
    return {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def _places(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(map(int, values))


def name_of(tensor: Any) -> str:
    """The tensor's name as text."""
    return (tensor.name or b"").decode("utf-8", "replace")


def shape_of(tensor: Any) -> tuple[int, ...]:
    """The tensor's shape; a single number has none."""
    return _places(tensor.shape)


_DTYPES = {
    schema.TensorType.FLOAT32: "float32", schema.TensorType.FLOAT16: "float16", schema.TensorType.INT32: "int32",
    schema.TensorType.INT64: "int64", schema.TensorType.BOOL: "bool", schema.TensorType.INT8: "int8",
    schema.TensorType.UINT8: "uint8", schema.TensorType.FLOAT64: "float64", schema.TensorType.INT16: "int16",
}  # fmt: skip


def dtype_of(tensor: Any) -> str:
    """The type as NumPy names it; "" for one that it has not."""
    return _DTYPES.get(tensor.type, "")


class _Builder(flatbuffers.Builder):  # type: ignore[misc]  # the package has no types
    """Writes every vector of bytes, which constants are, where kernels can read it."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802 - the package's names
        return super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)


def packed(model: Any) -> bytes:
    """The model's bytes."""
    builder = _Builder(1024)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def array_of(model: Any, tensor: Any) -> np.ndarray[Any, np.dtype[Any]] | None:
    """The constant's numbers; None of a value that is computed."""
    data, kind = model.buffers[tensor.buffer].data, dtype_of(tensor)
    if data is None or len(data) == 0 or not kind:
        return None
    return np.frombuffer(np.asarray(data, np.uint8).tobytes(), kind).reshape(shape_of(tensor))
