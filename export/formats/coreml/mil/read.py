"""A saved ``.mlpackage`` as a :class:`Package`: its program, and what it tells an app about its inputs.

Nothing in the file is trusted: paths stay in the package, sizes are held against what is there, and a file
that lies gives an :class:`InputError` before memory is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from cloformer.errors import InputError, UnsupportedError
from cloformer.io.quiet import quiet
from cloformer.io.words import count

from ..suppression import program_of
from .files import Weights, contents, model_file
from .program import Argument, Constant, Function, Operation, Program, TensorType, Value
from .types import TYPES, element_count, unpack

__all__ = ["MAX_MODEL_BYTES", "Description", "ImageInput", "Package", "read_package", "read_spec"]

Message: TypeAlias = Any  # of Core ML's protobuf schema: coremltools has no types for it

# A model's weights lie in files of their own: what describes it is a few megabytes.
MAX_MODEL_BYTES = 1 << 28
_MAX_NAME = 1000


@dataclass(frozen=True)
class ImageInput:
    """An input that an app gives as an image: the colour layout that Core ML hands to the program."""

    name: str
    color_layout: str  # "RGB", "BGR" or "GRAYSCALE"
    height: int
    width: int


@dataclass(frozen=True)
class Description:
    """A function's interface as apps see it; ``predicted_class`` and ``probabilities`` of a classifier."""

    images: tuple[ImageInput, ...]
    predicted_class: str | None
    probabilities: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Package:
    """What a ``.mlpackage`` holds. ``default_function`` is the one that runs when none is named."""

    program: Program
    descriptions: Mapping[str, Description]
    default_function: str
    specification_version: int


def read_package(path: Path) -> Package:
    """Read a ``.mlpackage``; :class:`InputError` if it is damaged or lies, :class:`UnsupportedError` if it
    is a Core ML model of another kind than an ML Program."""
    path = Path(path)
    file = model_file(path)
    data = contents(path, file, MAX_MODEL_BYTES)
    with quiet("coremltools"):
        from coremltools.proto import Model_pb2
        from google.protobuf.message import DecodeError
    try:
        spec = Model_pb2.Model.FromString(data)
    except (DecodeError, RecursionError, ValueError) as error:
        raise InputError(
            f"{file} is not a Core ML model: {str(error)[:120]}",
            "the package is damaged: export it again",
        ) from None
    return read_spec(spec, file.parent, package=path)


def read_spec(spec: Message, folder: Path, *, package: Path | None = None) -> Package:
    """The same from a ``Model`` message, of a pipeline with a suppression its program; ``@model_path`` is ``folder``, which no weight file may leave."""
    spec = program_of(spec)
    kind = spec.WhichOneof("Type")
    if kind is None:
        raise InputError("there is no model in it", "the package is damaged: export it again")
    if kind != "mlProgram":
        raise UnsupportedError(f"this Core ML model is a {kind}, and only ML Programs can be run here")
    weights = Weights(folder, package or folder)
    names = {number: name.lower() for name, number in _data_types().items()}
    functions = {
        name: _Reader(names, weights).function(name, message)
        for name, message in spec.mlProgram.functions.items()
    }
    if not functions:
        raise InputError("the ML Program has no function", "the package is damaged: export it again")
    default = spec.description.defaultFunctionName or "main"
    described = {item.name: item for item in spec.description.functions} or {default: spec.description}
    if default not in functions or default not in described:
        raise InputError(f"the ML Program has no function {default[:80]!a}, which it calls its default")
    metadata = dict(spec.description.metadata.userDefined)
    descriptions = {name: _description(item, metadata) for name, item in described.items()}
    return Package(Program(functions), descriptions, default, spec.specificationVersion)


def _name(text: str) -> str:
    """``text``, which messages can show."""
    if len(text) > _MAX_NAME or not text.isprintable():
        raise InputError(f"{text[:80]!a} is no name", "the package is damaged: export it again")
    return text


def _data_types() -> Mapping[str, int]:
    with quiet("coremltools"):
        from coremltools.proto import MIL_pb2
    return dict(MIL_pb2.DataType.items())


def _description(item: Message, metadata: Mapping[str, str]) -> Description:
    images = []
    for feature in item.input:
        if feature.type.WhichOneof("Type") == "imageType":
            kind = feature.type.imageType
            if kind.colorSpace not in kind.ColorSpace.values() or min(kind.height, kind.width) < 1:
                raise InputError(f"the image {feature.name[:80]!r} has no size or no colours")
            element_count((kind.height, kind.width), f"the image {feature.name[:80]!r}")
            layout = kind.ColorSpace.Name(kind.colorSpace).removesuffix("_FLOAT16")
            images.append(ImageInput(feature.name, layout, kind.height, kind.width))
    return Description(
        tuple(images), item.predictedFeatureName or None, item.predictedProbabilitiesName or None, metadata
    )


class _Reader:
    """Protocol messages to values. ``names`` are MIL's types by their numbers."""

    def __init__(self, names: Mapping[int, str], weights: Weights) -> None:
        self._names, self._weights = names, weights

    def function(self, name: str, message: Message) -> Function:
        block = message.block_specializations.get(message.opset)
        if message.opset not in message.block_specializations:
            raise InputError(f"function {name} has no block for its opset {message.opset[:40]!r}")
        operations = tuple(
            self._operation(item, f"{name}/{index}") for index, item in enumerate(block.operations)
        )
        known = {item.name for item in message.inputs}
        for operation in operations:
            missing = next((read for read in operation.reads() if read not in known), None)
            if missing is not None:
                raise InputError(f"{operation} reads {missing!r}, which nothing before it gives")
            for value in operation.outputs:
                if value.name in known:
                    raise InputError(f"{operation} gives {value.name!r}, which is there already")
                known.add(value.name)
        outputs = tuple(block.outputs)
        if set(outputs) - known:
            raise InputError(f"{name} gives {min(set(outputs) - known)[:80]!a}, which is not there")
        return Function(name, message.opset, tuple(map(self._value, message.inputs)), operations, outputs)

    def _operation(self, message: Message, location: str) -> Operation:
        kind, name = _name(message.type), self._name_of(message)
        if message.blocks:
            raise UnsupportedError(f"{kind} at {location} has blocks: control flow is not supported")
        inputs: dict[str, Argument] = {
            key: tuple(
                _name(item.name)
                if item.WhichOneof("binding") == "name"
                else self._constant(item.value, f"{key} of {name or location}")
                for item in argument.arguments
            )
            for key, argument in ((_name(key), argument) for key, argument in message.inputs.items())
        }
        for key, value in message.attributes.items():  # constants, and weights compressed for iOS 16
            if key != "name":
                inputs[_name(key)] = (self._constant(value, f"{key} of {name or location}"),)
        return Operation(kind, name, inputs, tuple(map(self._value, message.outputs)), location)

    def _name_of(self, message: Message) -> str:
        if "name" not in message.attributes:
            return message.outputs[0].name if message.outputs else ""
        strings = message.attributes["name"].immediateValue.tensor.strings.values
        return _name(strings[0]) if strings else ""

    def _value(self, message: Message) -> Value:
        return Value(_name(message.name), self._type(message.type, message.name))

    def _type(self, message: Message, what: str) -> TensorType:
        kind = message.WhichOneof("type")
        if kind == "stateType":
            inner = self._type(message.stateType.wrappedType, what)
            return TensorType(inner.dtype, inner.shape, is_state=True)
        if kind in ("dictionaryType", "listType", "tupleType"):
            return TensorType(kind.removesuffix("Type"), None)
        if kind != "tensorType":
            raise InputError(f"{what} has no type")
        tensor = message.tensorType
        dtype = self._names.get(tensor.dataType, f"type {tensor.dataType}")
        if dtype not in TYPES and dtype != "string":
            raise UnsupportedError(f"{what} is of the unknown {dtype}")
        if tensor.rank < 0:
            return TensorType(dtype, None)
        sizes: list[int | None] = []
        for dimension in tensor.dimensions:
            if dimension.WhichOneof("dimension") == "constant":
                sizes.append(dimension.constant.size)
            elif dimension.unknown.variadic:
                return TensorType(dtype, None)
            else:
                sizes.append(None)
        if len(sizes) != tensor.rank:
            raise InputError(f"{what} has {count(sizes, 'axis')}, and its rank is {tensor.rank}")
        element_count(tuple(size for size in sizes if size is not None), what)
        return TensorType(dtype, tuple(sizes))

    def _constant(self, message: Message, what: str) -> Constant:
        kind = message.type.WhichOneof("type")
        if kind == "listType":
            items = [self._constant(item, what) for item in message.immediateValue.list.values]
            if len({item.type for item in items}) > 1:
                raise InputError(f"{what} is a list of different types")
            if any(isinstance(item.value, str) for item in items):
                return Constant(TensorType("string", (len(items),)), [str(item.value) for item in items])
            values = [item.value for item in items if isinstance(item.value, torch.Tensor)]
            stacked = torch.stack(values) if values else torch.empty(0)
            dtype = items[0].type.dtype if items else "float32"
            return Constant(TensorType(dtype, tuple(stacked.shape)), stacked)
        declared = self._type(message.type, what)
        if declared.shape is None or None in declared.shape:
            raise InputError(f"{what} is a constant whose shape is not known")
        shape = tuple(size for size in declared.shape if size is not None)
        if message.WhichOneof("value") == "blobFileValue":
            file = message.blobFileValue
            if declared.dtype not in TYPES:
                raise InputError(f"{what} is a {declared.dtype}, and its value is in a file of weights")
            return Constant(declared, self._weights.read(file.fileName, file.offset, declared.dtype, shape))
        return Constant(declared, _immediate(message.immediateValue.tensor, declared.dtype, shape, what))


def _immediate(
    tensor: Message, dtype: str, shape: tuple[int, ...], what: str
) -> torch.Tensor | str | list[str]:
    """The value written in the message itself: numbers in a field for their kind, small types as bytes."""
    field = tensor.WhichOneof("value")
    stored = getattr(tensor, field).values if field else b""
    elements = element_count(shape, what)
    if field == "bytes" or not field:
        if dtype == "string" or len(stored) != TYPES[dtype].stored_bytes(elements):
            raise InputError(f"{what} has {count(stored, 'byte')}, and its type is {dtype} {list(shape)}")
        return unpack(stored, dtype, shape)
    if len(stored) != elements:
        raise InputError(f"{what} has {count(stored, 'value')}, and its shape is {list(shape)}")
    if (field == "strings") != (dtype == "string"):
        raise InputError(f"{what} holds {field}, and its type is {dtype}")
    if field == "strings":
        strings = [
            item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in stored
        ]
        return strings if shape else strings[0]
    make = _WIDE_FIELDS.get(field)
    if make is None:
        raise InputError(f"{what} holds {field}")
    return torch.tensor(list(stored), dtype=make).reshape(shape).to(TYPES[dtype].torch)


_WIDE_FIELDS = {
    "floats": torch.float32,
    "doubles": torch.float64,
    "ints": torch.int64,
    "longInts": torch.int64,
    "bools": torch.bool,
}
