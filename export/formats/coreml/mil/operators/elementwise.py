"""Operators that treat each number by itself (``elementwise_unary.py``, ``elementwise_binary.py``)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cloformer.errors import InputError

from .....source.quotients import truncated
from .._operator import operator
from ._shapes import broadcast_count

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": lambda x: torch.exp2(x) if x.is_floating_point() else torch.exp2(x.double()),
    "floor": torch.floor,
    "logical_not": torch.logical_not,
    "round": torch.round,  # halves to the even number; on devices, as the backend does
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
}

_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "equal": torch.eq,
    "floor_div": torch.floor_divide,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mod": torch.fmod,  # the sign is the dividend's, on macOS; coremltools folds constants with the divisor's
    "mul": torch.mul,
    "not_equal": torch.ne,
    "pow": torch.pow,
    "sub": torch.sub,
}


def _enter_unary(name: str) -> None:
    compute = _UNARY[name]

    @operator(name, specification=f"iOS15/elementwise_unary.py: {name}")
    def unary(x: Tensor) -> Tensor:
        return compute(x)


def _enter_binary(name: str) -> None:
    compute = _BINARY[name]

    @operator(name, specification=f"iOS15/elementwise_binary.py: {name}")
    def binary(x: Tensor, y: Tensor) -> Tensor:
        broadcast_count([x.shape, y.shape])
        return compute(x, y)


for _name in _UNARY:
    _enter_unary(_name)
for _name in _BINARY:
    _enter_binary(_name)


@operator("real_div", specification="iOS15/elementwise_binary.py: real_div")
def real_div(x: Tensor, y: Tensor) -> Tensor:
    """True division; of integers, rounded toward zero to an integer as Core ML's result type asks."""
    broadcast_count([x.shape, y.shape])
    return torch.div(x, y) if x.is_floating_point() else truncated(x, y)


@operator("rsqrt", specification="iOS15, iOS17/elementwise_unary.py: rsqrt")
def rsqrt(x: Tensor, epsilon: float = 1e-12) -> Tensor:
    return torch.rsqrt(x + epsilon)


@operator("inverse", specification="iOS15, iOS17/elementwise_unary.py: inverse")
def inverse(x: Tensor, epsilon: float = 1e-4) -> Tensor:
    return 1 / (x + epsilon)


@operator("log", specification="iOS15, iOS17/elementwise_unary.py: log")
def log(x: Tensor, epsilon: float = 1e-45) -> Tensor:
    return torch.log(x + epsilon)


@operator("clip", specification="iOS15, iOS17/elementwise_unary.py: clip")
def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    return x.clamp(alpha, beta)


@operator("threshold", specification="iOS15/elementwise_unary.py: threshold")
def threshold(x: Tensor, alpha: float) -> Tensor:
    return x.clamp(min=alpha)


_CASTS = {
    "fp16": torch.float16,
    "fp32": torch.float32,
    "bool": torch.bool,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "uint8": torch.uint8,
    "uint16": torch.int32,
}


@operator("cast", specification="iOS15, iOS17/elementwise_unary.py: cast")
def cast(x: Tensor, dtype: str) -> Tensor:
    """To an integer, toward zero; the rounding to the type itself is what the interpreter does to every result."""
    if dtype not in _CASTS:
        raise InputError(f"there is no type {dtype!r} to cast to")
    kind = _CASTS[dtype]
    if kind is torch.bool:
        return x != 0
    return x if kind.is_floating_point else x.to(torch.int64)
