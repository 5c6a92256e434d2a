"""MIL's number types: how each is stored in a file, and in which torch type its values are held."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from cloformer.errors import InputError

__all__ = ["MAX_ELEMENTS", "TYPES", "NumberType", "element_count", "unpack"]

# A tensor that is larger is refused before memory is asked for: no model of a phone has one.
MAX_ELEMENTS = 1 << 28
MAX_RANK = 16


@dataclass(frozen=True)
class NumberType:
    """``bits`` of one element in a file; smaller than 8, elements follow one another from the lowest bit on."""

    bits: int
    torch: torch.dtype
    is_signed: bool = True

    def stored_bytes(self, count: int) -> int:
        """Bytes of ``count`` elements in a file."""
        return -(-count * self.bits // 8)


TYPES: dict[str, NumberType] = {
    "bool": NumberType(8, torch.bool),
    "float16": NumberType(16, torch.float16),
    "bfloat16": NumberType(16, torch.bfloat16),
    "float32": NumberType(32, torch.float32),
    "float64": NumberType(64, torch.float64),
    "float8e4m3fn": NumberType(8, torch.float8_e4m3fn),
    "float8e5m2": NumberType(8, torch.float8_e5m2),
    "int4": NumberType(4, torch.int8),
    "int8": NumberType(8, torch.int8),
    "int16": NumberType(16, torch.int16),
    "int32": NumberType(32, torch.int32),
    "int64": NumberType(64, torch.int64),
    "uint1": NumberType(1, torch.uint8, is_signed=False),
    "uint2": NumberType(2, torch.uint8, is_signed=False),
    "uint3": NumberType(3, torch.uint8, is_signed=False),
    "uint4": NumberType(4, torch.uint8, is_signed=False),
    "uint6": NumberType(6, torch.uint8, is_signed=False),
    "uint8": NumberType(8, torch.uint8, is_signed=False),
    "uint16": NumberType(16, torch.uint16, is_signed=False),
    "uint32": NumberType(32, torch.uint32, is_signed=False),
    "uint64": NumberType(64, torch.uint64, is_signed=False),
}


def element_count(shape: tuple[int, ...], what: str) -> int:
    """Elements of a tensor; :class:`InputError` if it is larger than any that belongs here.

    Axes of no elements count as one: what is empty may not be endless along the others.
    """
    if len(shape) > MAX_RANK:
        raise InputError(f"{what} has {len(shape)} axes, more than {MAX_RANK}")
    if min(shape, default=0) < 0 or math.prod(max(size, 1) for size in shape) > MAX_ELEMENTS:
        raise InputError(f"{what} has the shape {list(shape)}, more than {MAX_ELEMENTS} elements")
    return math.prod(shape)


def unpack(data: bytes, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor that ``data`` holds, of exactly ``stored_bytes`` bytes."""
    kind, count = TYPES[dtype], math.prod(shape)
    if not count:
        return torch.empty(shape, dtype=kind.torch)
    raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    if kind.torch is torch.bool:
        return raw.ne(0).reshape(shape)
    if kind.bits >= 8:
        return raw.view(kind.torch).reshape(shape)
    return unpack_bits(raw, kind.bits, count, is_signed=kind.is_signed).reshape(shape)


def unpack_bits(raw: torch.Tensor, bits: int, count: int, *, is_signed: bool = False) -> torch.Tensor:
    """``count`` numbers of ``bits`` bits each from bytes, the first in the lowest bits."""
    span = math.lcm(bits, 8) // 8  # so many bytes hold whole numbers: 1, or 3 of 3 and of 6 bits
    groups = F.pad(raw.reshape(-1), (0, -raw.numel() % span)).reshape(-1, span).int()
    words = (groups << torch.arange(0, 8 * span, 8, dtype=torch.int32)).sum(1, dtype=torch.int32)
    numbers = (words[:, None] >> torch.arange(0, 8 * span, bits, dtype=torch.int32)) & ((1 << bits) - 1)
    if is_signed:
        numbers = numbers - ((numbers >> (bits - 1)) << bits)  # two's complement
    return numbers.reshape(-1)[:count].to(torch.int8 if is_signed else torch.uint8)
