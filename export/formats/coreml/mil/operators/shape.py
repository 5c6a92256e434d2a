"""Operators that move numbers and change none (``tensor_transformation.py``)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .._operator import Bools, Ints, Tensors, operator
from ..types import element_count


@operator("reshape", specification="iOS15, iOS17/tensor_transformation.py: reshape")
def reshape(x: Tensor, shape: Ints) -> Tensor:
    """0 is the size of the same axis of ``x``, counted from the last, or 1 before its first; -1 is what is left."""
    sizes = [1] * (len(shape) - x.ndim) + list(x.shape)[max(x.ndim - len(shape), 0) :]
    return x.reshape([size or own for size, own in zip(shape, sizes, strict=True)])


@operator("reshape_like", specification="iOS16, iOS17/tensor_transformation.py: reshape_like")
def reshape_like(x: Tensor, ref_tensors: Tensors, begins: Ints, ends: Ints, end_masks: Bools) -> Tensor:
    """The shape is put together from pieces of the shapes of others."""
    shape: list[int] = []
    for reference, begin, end, is_to_the_end in zip(ref_tensors, begins, ends, end_masks, strict=True):
        shape += reference.shape[begin : None if is_to_the_end else end]
    return x.reshape(shape)


@operator("flatten2d", specification="iOS15/tensor_operation.py: flatten2d")
def flatten2d(x: Tensor, axis: int = 1) -> Tensor:
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("shape", specification="iOS15/tensor_operation.py: shape")
def shape(x: Tensor) -> Tensor:
    return torch.tensor(x.shape, dtype=torch.int64)


@operator("squeeze", specification="iOS15, iOS17/tensor_transformation.py: squeeze")
def squeeze(x: Tensor, axes: Ints | None = None) -> Tensor:
    """Axes that have more than one element stay."""
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@operator("expand_dims", specification="iOS15, iOS17/tensor_transformation.py: expand_dims")
def expand_dims(x: Tensor, axes: Ints) -> Tensor:
    """``axes`` are those of the result."""
    rank = x.ndim + len(axes)
    for axis in sorted(axis + rank if axis < 0 else axis for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator("transpose", specification="iOS15, iOS17/tensor_transformation.py: transpose")
def transpose(x: Tensor, perm: Ints) -> Tensor:
    return x.permute(perm)


@operator("reverse", specification="iOS15, iOS17/tensor_transformation.py: reverse")
def reverse(x: Tensor, axes: Ints | None = None) -> Tensor:
    return x.flip(list(range(x.ndim)) if axes is None else axes)


@operator("reverse_sequence", specification="iOS15, iOS17/tensor_transformation.py: reverse_sequence")
def reverse_sequence(x: Tensor, lengths: Tensor, seq_axis: int = 0, batch_axis: int = 0) -> Tensor:
    """Of each item of the batch, its own number of elements from the first on."""
    items = x.movedim((batch_axis, seq_axis), (0, 1))
    places, lengths = torch.arange(items.shape[1]), lengths.reshape(-1, 1)
    turned = torch.where(places < lengths, lengths - 1 - places, places)
    return items[torch.arange(len(items)).reshape(-1, 1), turned].movedim((0, 1), (batch_axis, seq_axis))


def _ranges(
    x: Tensor,
    begin: Ints,
    end: Ints,
    stride: Ints | None,
    begin_mask: Bools | None,
    end_mask: Bools | None,
    squeeze_mask: Bools | None,
) -> list[range]:
    """The places along each axis; an axis that is squeezed has one."""
    none = [False] * x.ndim
    strides = stride or [1] * x.ndim
    masks = zip(begin_mask or none, end_mask or none, squeeze_mask or none, strict=True)
    ranges = []
    for size, first, last, step, (is_from_start, is_to_end, is_squeezed) in zip(
        x.shape, begin, end, strides, masks, strict=True
    ):
        if is_squeezed:
            place = range(size)[0 if is_from_start else first]
            ranges.append(range(place, place + 1))
        else:
            ranges.append(range(size)[None if is_from_start else first : None if is_to_end else last : step])
    return ranges


@operator("slice_by_index", specification="iOS15, iOS17/tensor_transformation.py: slice_by_index")
def slice_by_index(
    x: Tensor,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Bools | None = None,
    end_mask: Bools | None = None,
    squeeze_mask: Bools | None = None,
) -> Tensor:
    """Python's slices, with negative strides; a mask ignores a bound, ``squeeze_mask`` takes one element and
    drops its axis."""
    result = x
    for axis, places in enumerate(_ranges(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)):
        if places != range(x.shape[axis]):
            result = result.index_select(axis, torch.tensor(places, dtype=torch.int64))
    dropped = [axis for axis, is_squeezed in enumerate(squeeze_mask or ()) if is_squeezed]
    return result.squeeze(dropped) if dropped else result


@operator("slice_update", specification="iOS18/tensor_transformation.py: slice_update")
def slice_update(
    x: Tensor,
    update: Tensor,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Bools | None = None,
    end_mask: Bools | None = None,
    squeeze_mask: Bools | None = None,
) -> Tensor:
    """``x`` with another slice in the place of the one that :func:`slice_by_index` gives."""
    ranges = _ranges(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    places = (
        torch.tensor(item, dtype=torch.int64).reshape(-1, *[1] * (x.ndim - 1 - axis))
        for axis, item in enumerate(ranges)
    )
    result = x.clone()
    result[tuple(places)] = update.reshape([len(item) for item in ranges])
    return result


@operator("slice_by_size", specification="iOS15, iOS17/tensor_transformation.py: slice_by_size")
def slice_by_size(x: Tensor, begin: Ints, size: Ints) -> Tensor:
    """A size of -1 reaches to the end."""
    for axis, (own, first, count) in enumerate(zip(x.shape, begin, size, strict=True)):
        first = first + own if first < 0 else first
        x = x.narrow(axis, first, own - first if count == -1 else count)
    return x


@operator("depth_to_space", specification="iOS15/tensor_transformation.py: depth_to_space")
def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    """(n, b b C, H, W) to (n, C, b H, b W); of the old channels, C counts fastest."""
    n, _, height, width = x.shape
    blocks = x.reshape(n, block_size, block_size, -1, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, -1, height * block_size, width * block_size)


@operator("space_to_depth", specification="iOS15/tensor_transformation.py: space_to_depth")
def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    """The inverse of :func:`depth_to_space`."""
    n, channels, height, width = x.shape
    blocks = x.reshape(n, channels, height // block_size, block_size, width // block_size, block_size)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(n, -1, height // block_size, width // block_size)


@operator("space_to_batch", specification="iOS15/tensor_transformation.py: space_to_batch")
def space_to_batch(x: Tensor, block_shape: Ints, paddings: Ints) -> Tensor:
    """Blocks of (H, W), padded with zeros, become items of the batch; the old batch counts fastest."""
    n, channels, height, width = x.shape
    top, bottom, left, right = paddings
    height, width = top + height + bottom, left + width + right
    element_count((n, channels, height, width), "the padded input")
    rows, columns = block_shape
    blocks = F.pad(x, [left, right, top, bottom]).reshape(
        n, channels, height // rows, rows, width // columns, columns
    )
    return blocks.permute(3, 5, 0, 1, 2, 4).reshape(-1, channels, height // rows, width // columns)


@operator("batch_to_space", specification="iOS15/tensor_transformation.py: batch_to_space")
def batch_to_space(x: Tensor, block_shape: Ints, crops: Ints) -> Tensor:
    """The inverse of :func:`space_to_batch`: what was padding is cropped."""
    rows, columns = block_shape
    top, bottom, left, right = crops
    _, channels, height, width = x.shape
    blocks = x.reshape(rows, columns, -1, channels, height, width).permute(2, 3, 4, 0, 5, 1)
    height, width = height * rows, width * columns
    whole = blocks.reshape(-1, channels, height, width)
    return whole.narrow(2, top, height - top - bottom).narrow(3, left, width - left - right)


@operator("pixel_shuffle", specification="iOS15/tensor_transformation.py: pixel_shuffle")
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """As :func:`depth_to_space`, but of the old channels the block counts fastest."""
    return F.pixel_shuffle(x, upscale_factor)


@operator("pixel_unshuffle", specification="iOS16/tensor_transformation.py: pixel_unshuffle")
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of :func:`pixel_shuffle`."""
    return F.pixel_unshuffle(x, downscale_factor)


@operator("sliding_windows", specification="iOS15, iOS17/tensor_transformation.py: sliding_windows")
def sliding_windows(x: Tensor, axis: int, size: int, stride: int = 1) -> Tensor:
    """All windows along an axis, each in a new axis behind it."""
    windows = x.unfold(axis, size, stride)  # a view, which is copied later
    element_count(tuple(windows.shape), "sliding_windows")
    return windows.movedim(-1, axis % x.ndim + 1)
