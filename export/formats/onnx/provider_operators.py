"""Which operators the providers of ONNX Runtime's library for Android take, as far as can be said without a phone.

Written after what the providers' sources check, each named in its row. XNNPACK's row is held to the library itself, operator by
operator, by ``make android-checks``; NNAPI and WebGPU need a phone, and nobody has held theirs to one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["TAKERS", "Seen", "Taker"]

_FLOAT, _INT32, _BOOL, _HALF = 1, 6, 9, 10  # of TensorProto.DataType


@dataclass(frozen=True)
class Seen:
    """An operator with what is known of it: ``shapes`` and ``types`` of its inputs (None where they cannot be told), which of them are
    ``constant``, its attributes, how many ``outputs`` are used, and what the operator is that gives its first input if nothing else
    reads that value."""

    operator: str
    opset: int
    shapes: tuple[tuple[int, ...] | None, ...]
    types: tuple[int | None, ...]
    constant: tuple[bool, ...]
    attributes: Mapping[str, object]
    outputs: int
    behind: str | None
    output_shape: tuple[int, ...] | None = None
    scales: tuple[float, ...] | None = None

    def rank(self, place: int = 0) -> int | None:
        shape = self.shapes[place] if place < len(self.shapes) else None
        return None if shape is None else len(shape)

    def is_constant(self, *places: int) -> bool:
        """Whether these inputs are constants, as far as they are there."""
        return all(self.constant[place] for place in places if place < len(self.constant))

    def text(self, name: str, default: str) -> str:
        value = self.attributes.get(name, default.encode())
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


_Condition = Callable[[Seen], bool]


@dataclass(frozen=True)
class Taker:
    """``operators`` are those that the provider takes under a condition; ``types`` are those of the first input, by the standard's
    numbers; ``behind`` are operators that become part of the one before them, by the operators that they may follow."""

    title: str
    source: str
    types: frozenset[int]
    operators: Mapping[str, _Condition]
    behind: Mapping[str, frozenset[str]]

    def takes(self, seen: Seen) -> bool:
        """Whether it takes the operator by itself."""
        condition = self.operators.get(seen.operator)
        return condition is not None and bool(seen.types) and seen.types[0] in self.types and condition(seen)

    def joins(self, seen: Seen) -> bool:
        """Whether it becomes part of the operator before it, if that one is taken."""
        return seen.behind in self.behind.get(seen.operator, frozenset()) and seen.is_constant(1, 2)


def _any(_: Seen) -> bool:
    return True


def _image(seen: Seen) -> bool:
    return seen.rank() == 4


def _convolution(seen: Seen) -> bool:
    padded = seen.text("auto_pad", "NOTSET") in ("NOTSET", "VALID", "SAME_UPPER") or "pads" in seen.attributes
    return (
        seen.opset >= 11
        and seen.rank() in (3, 4)
        and seen.rank(1) == seen.rank()
        and seen.is_constant(1, 2)
        and padded
    )


def _pooling(seen: Seen) -> bool:
    kernel = seen.attributes.get("kernel_shape", ())
    is_larger = isinstance(kernel, (list, tuple)) and len(kernel) == 2 and tuple(kernel) != (1, 1)
    padded = seen.text("auto_pad", "NOTSET") in ("NOTSET", "VALID", "SAME_UPPER")
    return (
        _image(seen) and is_larger and padded and not seen.attributes.get("ceil_mode") and seen.outputs == 1
    )


def _average(seen: Seen) -> bool:
    return seen.opset >= 11 and _pooling(seen) and not seen.attributes.get("count_include_pad")


def _last_axis(seen: Seen) -> bool:
    axis, rank = seen.attributes.get("axis", -1), seen.rank()
    return seen.opset >= 13 and rank is not None and axis in (-1, rank - 1)


def _linear_resize(seen: Seen) -> bool:
    mode = seen.text("coordinate_transformation_mode", "half_pixel")
    if not _image(seen) or seen.text("mode", "nearest") != "linear" or seen.attributes.get("antialias"):
        return False
    if mode not in ("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"):
        return False
    shape, out = seen.shapes[0], seen.output_shape
    if shape is None or out is None or shape[:2] != out[:2] or min(out[2:]) < 2:
        return False
    if seen.scales is not None and min(seen.scales[2:]) < 1:  # smaller by whole steps alone
        return all(size % one == 0 for size, one in zip(shape[2:], out[2:], strict=True))
    return seen.is_constant(2, 3) and "axes" not in seen.attributes


def _constant_product(seen: Seen) -> bool:
    left, right = seen.rank(0), seen.rank(1)
    return seen.is_constant(1) and right in (1, 2) and left is not None and left >= right


def _layer(seen: Seen) -> bool:
    is_plain = seen.attributes.get("alpha", 1.0) == 1.0 and seen.attributes.get("beta", 1.0) == 1.0
    return is_plain and seen.is_constant(1, 2) and seen.rank(0) == 2


def _small(seen: Seen) -> bool:
    """NNAPI's tensors have four axes at most, all of them known."""
    return all(
        shape is None or (len(shape) <= 4 and min(shape, default=1) > 0) for shape in seen.shapes
    ) and (seen.rank() is not None)


def _nnapi_convolution(seen: Seen) -> bool:
    return _small(seen) and _image(seen) and seen.is_constant(1, 2)


def _nnapi_product(seen: Seen) -> bool:
    left, right = seen.rank(0), seen.rank(1)
    if left == right == 2:
        return seen.is_constant(1)
    return left is not None and left == right and left in (3, 4)


def _nnapi_layer(seen: Seen) -> bool:
    is_plain = seen.attributes.get("alpha", 1.0) == 1.0 and seen.attributes.get("beta", 1.0) == 1.0
    given = seen.is_constant(1) or bool(seen.attributes.get("transB"))
    return _small(seen) and seen.rank() == 2 and is_plain and given and not seen.attributes.get("transA")


def _nnapi_pad(seen: Seen) -> bool:
    return _small(seen) and seen.text("mode", "constant") == "constant" and seen.is_constant(1, 2)


def _nnapi_slice(seen: Seen) -> bool:
    return _small(seen) and seen.is_constant(1, 2, 3, 4)


def _nnapi_image(seen: Seen) -> bool:
    return _small(seen) and _image(seen)


def _webgpu_convolution(seen: Seen) -> bool:
    return seen.rank() in (3, 4)


def _table(names: str, condition: _Condition) -> dict[str, _Condition]:
    return dict.fromkeys(names.split(), condition)


TAKERS = {
    "xnnpack": Taker(
        "XNNPACK",
        "ONNX Runtime's onnxruntime/core/providers/xnnpack, and its library for Android 1.29.0",
        frozenset({_FLOAT}),
        {
            "AveragePool": _average,
            "Conv": _convolution,
            "ConvTranspose": _convolution,
            "Gemm": _layer,
            "MatMul": _constant_product,
            "MaxPool": _pooling,
            "Resize": _linear_resize,
            "Softmax": _last_axis,
        },
        dict.fromkeys(("Clip", "Relu"), frozenset({"AveragePool", "Conv", "MaxPool"})),
    ),
    "nnapi": Taker(
        "NNAPI",
        "ONNX Runtime's onnxruntime/core/providers/nnapi, its op_builder_factory.cc and nnapi_supported_ops.md; held to no phone",
        frozenset({_FLOAT}),
        {
            **_table(
                "Abs Add BatchNormalization Cast Clip Concat Div Elu Exp Flatten Floor Gather Identity LRN LeakyRelu Log Max Min "
                "Mul Neg PRelu Pow ReduceMean Relu Reshape Sigmoid Sin Softmax Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze",
                _small,
            ),
            **_table("AveragePool DepthToSpace GlobalAveragePool GlobalMaxPool MaxPool Resize", _nnapi_image),
            "Conv": _nnapi_convolution,
            "Gemm": _nnapi_layer,
            "MatMul": _nnapi_product,
            "Pad": _nnapi_pad,
            "Slice": _nnapi_slice,
        },
        {},
    ),
    "webgpu": Taker(
        "WebGPU",
        "ONNX Runtime's onnxruntime/core/providers/webgpu/webgpu_execution_provider.cc; held to no phone",
        frozenset({_FLOAT, _HALF, _INT32, _BOOL}),
        {
            **_table(
                "Abs Acos Acosh Add ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Clip Concat Cos Cosh "
                "CumSum DepthToSpace Div Einsum Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements Gelu Gemm "
                "GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid InstanceNormalization LayerNormalization LeakyRelu "
                "Less LessOrEqual Log MatMul MaxPool Mul Neg Not Pad Pow Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum "
                "ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Shape Sigmoid "
                "Sin Sinh Slice Softmax Split Sqrt Squeeze Sub Tan Tanh ThresholdedRelu Tile Transpose Unsqueeze Where",
                _any,
            ),
            **_table("Conv ConvTranspose", _webgpu_convolution),
        },
        {},
    ),
}
