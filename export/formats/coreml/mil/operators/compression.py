"""Weights stored small (``iOS16/constexpr_ops.py``, ``iOS18/compression.py``).

A decompressed weight is bit for bit the one that coremltools makes of the same file. So these operators, alone
among all, are given constants in their stored types and round where coremltools does.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cloformer.errors import InputError

from .._operator import Ints, operator
from ..types import NumberType, unpack_bits


def _spread(blocks: Tensor, shape: Ints | torch.Size) -> Tensor:
    """Each value repeated over its block, so that ``shape`` is filled; axes beyond those of ``shape`` stay."""
    for axis, size in enumerate(shape):
        count = blocks.shape[axis] if axis < blocks.ndim else 0
        if not count or size % count:
            raise InputError(f"blocks of the shape {list(blocks.shape)} do not divide {list(shape)}")
        blocks = blocks.repeat_interleave(size // count, axis) if size > count else blocks
    return blocks


def _unpacked(packed: Tensor, bits: int, shape: Ints) -> Tensor:
    count = math.prod(shape)
    if min(shape, default=0) < 0 or packed.numel() != NumberType(bits, torch.uint8).stored_bytes(count):
        raise InputError(f"{packed.numel()} bytes do not hold {bits} bits for each element of {shape}")
    return unpack_bits(packed, bits, count).reshape(shape)


@operator("constexpr_affine_dequantize", specification="iOS16/constexpr_ops.py: constexpr_affine_dequantize")
def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: int
) -> Tensor:
    """scale (q - zero_point) in float32, one pair for all or for each position of ``axis``; rounded at the end."""

    def along_axis(value: Tensor) -> Tensor:
        return value.float().reshape(
            [-1 if i == axis % quantized_data.ndim else 1 for i in range(quantized_data.ndim)]
        )

    return ((quantized_data.float() - along_axis(zero_point)) * along_axis(scale)).to(scale.dtype)


@operator(
    "constexpr_blockwise_shift_scale", specification="iOS18/compression.py: constexpr_blockwise_shift_scale"
)
def constexpr_blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """scale (data - offset), a pair for each block; every step is rounded to the type of ``scale``."""
    shifted = data.to(scale.dtype)
    if offset is not None:
        shifted = shifted - _spread(offset, data.shape)
    return _spread(scale, data.shape) * shifted


@operator(
    "constexpr_lut_to_dense",
    specification="iOS16/constexpr_ops.py, iOS18/compression.py: constexpr_lut_to_dense",
)
def constexpr_lut_to_dense(
    indices: Tensor, lut: Tensor, shape: Ints | None = None, vector_axis: int | None = None
) -> Tensor:
    """Entries of a table at ``indices``.

    iOS 16: one table, and indices packed into bytes for a ``shape``. iOS 18: ``lut`` (blocks.., entries, vector)
    has a table for each block, and its entries, if they are vectors, lie along ``vector_axis`` of the result.
    """
    if shape is not None:
        bits = lut.numel().bit_length() - 1
        if lut.numel() != 1 << bits or not 0 < bits <= 8:
            raise InputError(f"a table has the length {lut.numel()}, not a power of two up to 256")
        return lut.reshape(-1)[_unpacked(indices, bits, shape).long()]
    if lut.ndim != indices.ndim + 2:
        raise InputError(f"tables of the shape {list(lut.shape)} for indices of {list(indices.shape)}")
    *blocks, entries, vector = lut.shape
    if indices.numel() and int(indices.max()) >= entries:
        raise InputError(f"the index {int(indices.max())} in a table of {entries}")
    table = _spread(torch.arange(math.prod(blocks)).reshape(blocks), indices.shape)
    found = lut.reshape(-1, vector)[table * entries + indices]
    if vector == 1:
        return found[..., 0]
    if vector_axis is None:
        raise InputError("a table of vectors needs their axis")
    axis = vector_axis % indices.ndim
    return found.movedim(-1, axis + 1).flatten(axis, axis + 1)


@operator(
    "constexpr_sparse_to_dense",
    specification="iOS16/constexpr_ops.py, iOS18/compression.py: constexpr_sparse_to_dense",
)
def constexpr_sparse_to_dense(nonzero_data: Tensor, mask: Tensor, shape: Ints | None = None) -> Tensor:
    """The values in order where ``mask`` is set, zero elsewhere; iOS 16 packs the mask into bytes for a ``shape``."""
    is_set = (mask if shape is None else _unpacked(mask, 1, shape)) != 0
    if int(is_set.sum()) != nonzero_data.numel():
        raise InputError(f"{nonzero_data.numel()} values for {int(is_set.sum())} places")
    dense = nonzero_data.new_zeros(is_set.shape)
    dense[is_set] = nonzero_data.reshape(-1)
    return dense


@operator("constexpr_lut_to_sparse", specification="iOS18/compression.py: constexpr_lut_to_sparse")
def constexpr_lut_to_sparse(
    indices_mask: Tensor, indices_nonzero_data: Tensor, lut: Tensor, vector_axis: int | None = None
) -> list[Tensor]:
    """A mask and the values at its places, of the indices at the places of ``indices_mask``."""
    indices = constexpr_sparse_to_dense(indices_nonzero_data, indices_mask)
    dense = constexpr_lut_to_dense(indices, lut, vector_axis=vector_axis)
    mask = indices_mask if vector_axis is None else indices_mask.repeat_interleave(lut.shape[-1], vector_axis)
    return [mask, dense[mask != 0]]


@operator(
    "constexpr_sparse_blockwise_shift_scale",
    specification="iOS18/compression.py: constexpr_sparse_blockwise_shift_scale",
)
def constexpr_sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> list[Tensor]:
    """A mask and the values at its places; scales are found by the place in the dense tensor."""
    dense = constexpr_blockwise_shift_scale(constexpr_sparse_to_dense(nonzero_data, data_mask), scale, offset)
    return [data_mask, dense[data_mask != 0]]


@operator("constexpr_cast", specification="iOS16/constexpr_ops.py, iOS18/compression.py: constexpr_cast")
def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    if output_dtype != "fp32":
        raise InputError(f"constants are cast to fp32 alone, not to {output_dtype}")
    return source_val.float()
