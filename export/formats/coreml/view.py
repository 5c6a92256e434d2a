"""The operators of an ML Program in common words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from cloformer.io.words import bounded

from ...source.arrays import Array
from ..view import ConstantView, FileView, Kind, OperatorView, ValueView
from .mil import Function, Operation, TensorType, read_package
from .mil.program import CONSTEXPR, Constant
from .mil.types import TYPES

__all__ = ["read_view"]

_ACTIVATIONS = (
    "clamped_relu", "elu", "gelu", "leaky_relu", "prelu", "relu", "relu6", "scaled_tanh", "sigmoid", "sigmoid_hard", "silu",
    "softplus_parametric", "softsign", "tanh", "thresholded_relu",
)  # fmt: skip
_MOVES = ("expand_dims", "identity", "pad", "reshape", "reverse", "squeeze", "transpose")
# A batch norm is none of these: its mean and variance are constants.
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_ACTIVATIONS, Kind.ACTIVATION),
    **dict.fromkeys(_MOVES, Kind.MOVE),
    **dict.fromkeys(("gather", "gather_along_axis", "gather_nd"), Kind.GATHER),
    **dict.fromkeys(("layer_norm", "instance_norm", "l2_norm"), Kind.NORMALIZATION),
    **dict.fromkeys(("reduce_sum_square", "reduce_l2_norm"), Kind.SQUARES),
    **dict.fromkeys(("slice_by_index", "slice_by_size"), Kind.SLICE),
    **dict.fromkeys(("reduce_argmax", "reduce_argmin"), Kind.ARGMAX),
    **dict.fromkeys(("concat", "stack"), Kind.JOIN),
    **dict.fromkeys(("add", "sub"), Kind.ADD),
    **dict.fromkeys(("sqrt", "rsqrt", "inverse", "pow"), Kind.ROOT),
    "conv": Kind.CONVOLUTION,
    "linear": Kind.LAYER,
    "matmul": Kind.PRODUCT,
    "scaled_dot_product_attention": Kind.ATTENTION,
    "softplus": Kind.SOFTPLUS,
    "reduce_log_sum_exp": Kind.LOGSUMEXP,
    "exp": Kind.EXPONENTIAL,
    "log": Kind.LOGARITHM,
    "reduce_sum": Kind.SUM,
    "reduce_l1_norm": Kind.SUM,
    "reduce_mean": Kind.MEAN,
    "softmax": Kind.SOFTMAX,
    "avg_pool": Kind.AVERAGE_POOLING,
    "topk": Kind.TOPK,
    "shape": Kind.SHAPE,
    "cast": Kind.CAST,
    "mul": Kind.SCALE,
    "real_div": Kind.DIVIDE,
    "maximum": Kind.LARGER,
}
_REDUCED = (Kind.SUM, Kind.MEAN, Kind.SQUARES, Kind.LOGSUMEXP)


def read_view(path: Path) -> FileView:
    """Of the package's default function. Raises as :func:`.mil.read_package` does."""
    package = read_package(path)
    return view_of(package.program.functions[package.default_function])


def view_of(function: Function) -> FileView:
    """The operations that compute something of what comes in."""
    constants: dict[str, Constant] = {}
    values = {item.name: _value(item.type) for item in function.inputs}
    stored: dict[str, tuple[int | None, ...] | None] = {}  # shapes of constants, unpacked ones too
    numbers: dict[str, tuple[ConstantView, ...]] = {}  # what each of them is made of
    operators = []
    for operation in function.operations:
        if operation.kind == "const" or (
            operation.kind.startswith(CONSTEXPR) and values.keys().isdisjoint(operation.reads())
        ):
            stored |= {item.name: item.type.shape for item in operation.outputs}
            held = operation.inputs.get("val", ())
            if held and isinstance(held[0], Constant):
                constants[operation.outputs[0].name] = held[0]
            numbers |= dict.fromkeys(
                (item.name for item in operation.outputs), tuple(_numbers(operation, numbers))
            )
            continue
        values |= {item.name: _value(item.type) for item in operation.outputs}
        read = tuple(_numbers(operation, numbers))
        operators.append(_Reader(operation, constants, values, stored).view(read))
    return FileView(tuple(operators), values, function.outputs)


def _value(kind: TensorType) -> ValueView:
    return ValueView(kind.shape, kind.dtype)


def _numbers(operation: Operation, known: Mapping[str, tuple[ConstantView, ...]]) -> Iterator[ConstantView]:
    """The stored numbers that an operation reads, by name or written in it; of what is unpacked, what it is unpacked from."""
    made = operation.outputs[0].name if operation.outputs else operation.location
    for parameter, argument in sorted(operation.inputs.items()):  # the file has no order
        for place, item in enumerate(argument):
            if isinstance(item, str):
                yield from known.get(item, ())
            elif isinstance(item.value, Tensor):
                name = made if operation.kind == "const" else f"{made}.{parameter}"
                yield ConstantView(
                    f"{operation.location} {parameter} {place}",
                    name,
                    item.type.shape or (),
                    item.type.dtype,
                    TYPES[item.type.dtype].stored_bytes(item.value.numel()),
                    partial(_array, item.value),
                )


def _array(tensor: Tensor) -> Array:
    return tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy()


def _attributes(operation: Operation, constants: Mapping[str, Constant]) -> Iterator[tuple[str, str]]:
    """Words that are written in an operation or named by it; numbers are among the stored ones."""
    for parameter, argument in sorted(operation.inputs.items()):  # the file has no order
        for item in argument[:1]:
            held = constants.get(item) if isinstance(item, str) else item
            if held is not None and isinstance(held.value, str):
                yield bounded(parameter), bounded(held.value)


class _Reader:
    """One operation and what is known of the values that it reads."""

    def __init__(
        self,
        operation: Operation,
        constants: Mapping[str, Constant],
        values: Mapping[str, ValueView],
        stored: Mapping[str, tuple[int | None, ...] | None],
    ) -> None:
        self._operation, self._constants, self._values, self._stored = operation, constants, values, stored

    def view(self, numbers: tuple[ConstantView, ...]) -> OperatorView:
        operation = self._operation
        kind = _KINDS.get(operation.kind, Kind.OTHER)
        return OperatorView(
            kind,
            operation.kind,
            tuple(
                item
                for _, argument in sorted(operation.inputs.items())
                for item in argument
                if isinstance(item, str) and item in self._values
            ),
            tuple(item.name for item in operation.outputs),
            self._sizes(kind),
            self._numbers(kind),
            self._words(kind),
            dict(_attributes(operation, self._constants)),
            numbers,
        )

    def _constant(self, parameter: str) -> Tensor | None:
        """A parameter's numbers; None where it is not given or computed."""
        given = self._operation.inputs.get(parameter, ())
        found = (
            (self._constants.get(given[0]) if isinstance(given[0], str) else given[0])
            if len(given) == 1
            else None
        )
        return found.value if found is not None and isinstance(found.value, Tensor) else None

    def _wholes(self, parameter: str) -> tuple[int, ...]:
        found = self._constant(parameter)
        return () if found is None else tuple(int(item) for item in found.reshape(-1).tolist())

    def _is_true(self, parameter: str, *, without: bool = False) -> bool:
        found = self._constant(parameter)
        return without if found is None else bool(found)

    def _shape(self, parameter: str) -> tuple[int | None, ...]:
        name = next((item for item in self._operation.inputs.get(parameter, ()) if isinstance(item, str)), "")
        value = self._values.get(name)
        return (value.shape if value is not None else self._stored.get(name)) or ()

    def _sizes(self, kind: Kind) -> dict[str, tuple[int, ...]]:
        rank = len(self._shape("x"))
        if kind in _REDUCED:
            return (
                {"axes": tuple(axis % rank for axis in self._wholes("axes")) or tuple(range(rank))}
                if rank
                else {}
            )
        if kind is Kind.NORMALIZATION and rank:
            axes = self._wholes("axes")
            return {"axes": tuple(axis % rank for axis in axes) if axes else tuple(range(2, rank))}
        if kind is Kind.SOFTMAX and rank:
            return {"axes": tuple(axis % rank for axis in self._wholes("axis") or (-1,))}
        if kind is Kind.SLICE:
            return {"begin": self._begin()}
        if kind in (Kind.CONVOLUTION, Kind.AVERAGE_POOLING):
            return self._windows(kind)
        return {}

    def _begin(self) -> tuple[int, ...]:
        """Where each axis begins; nothing where that is computed."""
        masks, sizes = self._constant("begin_mask"), self._shape("x")
        masked = [False] * len(sizes) if masks is None else masks.reshape(-1).tolist()
        return tuple(
            0 if free else (first + (size or 0) if first < 0 else first)
            for first, free, size in zip(self._wholes("begin"), masked, sizes, strict=False)
        )

    def _windows(self, kind: Kind) -> dict[str, tuple[int, ...]]:
        is_pooling = kind is Kind.AVERAGE_POOLING
        weight = self._shape("weight")
        kernel = self._wholes("kernel_sizes") if is_pooling else tuple(size or 0 for size in weight[2:])
        ones = (1,) * len(kernel)
        pads = self._wholes("pad") or (0,) * (2 * len(kernel))
        return {"kernel": kernel, "stride": self._wholes("strides") or ones, "pad": pads}

    def _numbers(self, kind: Kind) -> dict[str, float]:
        if kind is Kind.NORMALIZATION:
            epsilon = self._constant("epsilon")
            return {} if epsilon is None else {"epsilon": float(epsilon)}
        if kind in (Kind.ADD, Kind.LARGER):
            found = next((item for name in ("x", "y") if (item := self._constant(name)) is not None), None)
            is_number = found is not None and found.numel() == 1 and found.dtype is not torch.bool
            return {"constant": float(found)} if is_number and found is not None else {}
        return {}

    def _words(self, kind: Kind) -> frozenset[str]:
        words = set()
        if kind is Kind.AVERAGE_POOLING:
            words |= {"ceil mode"} if self._is_true("ceil_mode") else set()
            words |= set() if self._is_true("exclude_padding_from_average") else {"padding counts"}
        if kind is Kind.CONVOLUTION and (groups := self._wholes("groups")):
            weight = self._shape("weight")
            words |= {"depthwise"} if groups[0] > 1 and weight[1:2] == (1,) else set()
        return frozenset(words)
