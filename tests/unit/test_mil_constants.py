"""Every operator on constants, at any shape, type and block: the bits are those of coremltools' own evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from coremltools.converters.mil.mil.ops.defs.iOS16 import constexpr_ops as ios16
from coremltools.converters.mil.mil.ops.defs.iOS18 import compression as ios18
from coremltools.optimize._utils import pack_elements_into_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from cloformer.export.formats.coreml.mil._operator import OPERATORS

INTEGERS = {"int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255)}
FLOATS = (np.float16, np.float32)
TYPES = st.sampled_from([*INTEGERS, *FLOATS])
shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4)
cases = settings(max_examples=150, deadline=None)


@st.composite
def numbers(draw: st.DrawFn, shape: list[int], dtype: Any) -> np.ndarray:
    """Of a whole type all numbers that it has, of a float type of every magnitude that stays finite."""
    chance = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    if dtype in INTEGERS:
        low, high = INTEGERS[dtype]
        return chance.integers(low, high, shape, dtype=np.int8 if low else np.uint8, endpoint=True)
    return (chance.normal(size=shape) * 10.0 ** chance.integers(-4, 2, shape)).astype(dtype)


@st.composite
def masks(draw: st.DrawFn, shape: list[int]) -> np.ndarray:
    chance = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    return (chance.random(shape) < draw(st.sampled_from([0, 0.1, 0.5, 1]))).astype(np.uint8)


@st.composite
def blocks(draw: st.DrawFn, shape: list[int]) -> list[int]:
    """A shape that divides another one."""
    return [draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0])) for size in shape]


def hold(kind: str, arguments: Mapping[str, Any], expected: Any) -> None:
    """The operator gives the expected arrays: their types, shapes and bits. An argument that is None is not given."""
    tensors = {
        name: value if isinstance(value, str) else torch.from_numpy(np.array(value))
        for name, value in arguments.items()
        if value is not None
    }
    found = OPERATORS[kind].call(tensors)
    several = expected if isinstance(expected, tuple) else (expected,)
    for ours, theirs in zip(found if isinstance(found, list) else [found], several, strict=True):
        assert ours.numpy().dtype == theirs.dtype
        assert tuple(ours.shape) == theirs.shape
        assert ours.numpy().tobytes() == theirs.tobytes()


@cases
@given(st.data(), shapes, st.sampled_from(["int8", "uint8"]), st.sampled_from(FLOATS))
def test_affine(data: st.DataObject, shape: list[int], dtype: str, scale_dtype: type) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    vectors = st.sampled_from([[], [shape[axis]]])
    arguments = {
        "quantized_data": data.draw(numbers(shape, dtype)),
        "zero_point": data.draw(numbers(data.draw(vectors), dtype)),
        "scale": data.draw(numbers(data.draw(vectors), scale_dtype)),
        "axis": np.int32(axis),
    }
    hold(
        "constexpr_affine_dequantize",
        arguments,
        np.asarray(ios16.constexpr_affine_dequantize.decompress(**arguments)),
    )


@cases
@given(st.data(), shapes, TYPES, st.sampled_from(FLOATS), st.booleans(), st.booleans())
def test_blockwise(
    data: st.DataObject, shape: list[int], dtype: Any, scale_dtype: type, is_shifted: bool, is_sparse: bool
) -> None:
    scales = data.draw(blocks(shape))
    scale = data.draw(numbers(scales, scale_dtype))
    offset = data.draw(numbers(scales, dtype if dtype in INTEGERS else scale_dtype)) if is_shifted else None
    shared = {"scale": scale, "offset": offset}
    # A float that is wider than the scale would be rounded to it: no program has such data.
    dense = data.draw(numbers(shape, dtype if dtype in INTEGERS else scale_dtype))
    if is_sparse:
        mask = data.draw(masks(shape))
        sparse = {"data_mask": mask, "nonzero_data": dense[mask != 0], **shared}
        decompress = ios18.constexpr_sparse_blockwise_shift_scale.decompress
        hold("constexpr_sparse_blockwise_shift_scale", sparse, decompress(**sparse))
    else:
        whole = {"data": dense, **shared}
        hold(
            "constexpr_blockwise_shift_scale",
            whole,
            ios18.constexpr_blockwise_shift_scale.decompress(**whole),
        )


@cases
@given(st.data(), shapes, st.sampled_from([1, 2, 4, 6, 8]), TYPES)
def test_palette_of_ios16(data: st.DataObject, shape: list[int], bits: int, dtype: Any) -> None:
    chance = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    arguments = {
        "lut": data.draw(numbers([1 << bits], dtype)),
        "indices": pack_elements_into_bits(chance.integers(0, 1 << bits, shape, dtype=np.uint8), bits),
        "shape": np.array(shape, np.uint32),
    }
    hold("constexpr_lut_to_dense", arguments, ios16.constexpr_lut_to_dense.decompress(**arguments))


@cases
@given(
    st.data(), shapes, st.sampled_from([1, 2, 3, 4, 6, 8]), TYPES, st.sampled_from([1, 2, 3]), st.booleans()
)
def test_palettes_of_ios18(
    data: st.DataObject, shape: list[int], bits: int, dtype: Any, vector: int, is_sparse: bool
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    chance = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    indices = chance.integers(0, 1 << bits, shape, dtype=np.uint8)
    shared = {
        "lut": data.draw(numbers([*data.draw(blocks(shape)), 1 << bits, vector], dtype)),
        "vector_axis": None if vector == 1 and axis < 0 else np.int32(axis),
    }
    if is_sparse:
        mask = data.draw(masks(shape))
        sparse = {"indices_mask": mask, "indices_nonzero_data": indices[mask != 0], **shared}
        hold("constexpr_lut_to_sparse", sparse, ios18.constexpr_lut_to_sparse.decompress(**sparse))
    else:
        whole = {"indices": indices, **shared}
        hold("constexpr_lut_to_dense", whole, ios18.constexpr_lut_to_dense.decompress(**whole))


@cases
@given(st.data(), shapes, TYPES, st.booleans())
def test_sparse(data: st.DataObject, shape: list[int], dtype: Any, is_packed: bool) -> None:
    mask = data.draw(masks(shape))
    values = data.draw(numbers([int(mask.sum())], dtype))
    if is_packed:
        packed = np.packbits(mask.reshape(-1), bitorder="little")
        arguments = {"nonzero_data": values, "mask": packed, "shape": np.array(shape, np.uint32)}
        expected = ios16.constexpr_sparse_to_dense.decompress(**arguments)
    else:
        arguments = {"nonzero_data": values, "mask": mask}
        expected = ios18.constexpr_sparse_to_dense.decompress(**arguments)
    hold("constexpr_sparse_to_dense", arguments, expected)


@cases
@given(st.data(), shapes)
def test_cast(data: st.DataObject, shape: list[int]) -> None:
    value = data.draw(numbers(shape, np.float16))
    hold("constexpr_cast", {"source_val": value, "output_dtype": "fp32"}, value.astype(np.float32))


def test_no_operator_on_constants_is_left_out() -> None:
    """Those above are all that coremltools has."""
    known = {name for module in (ios16, ios18) for name in vars(module) if name.startswith("constexpr_")}
    assert known == {name for name in OPERATORS if name.startswith("constexpr_")}
    assert len(known) == 7
