"""Reading and changing a tensor at given places (``scatter_gather.py``).

A negative index counts from the end, and others that are not there are an error. Since iOS 17, where operators
have ``validate_indices``, a negative index is none; and what the other ones do is undefined unless they are
validated. Here it is what graphics processors do in their place: reading gives 0, writing nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cloformer.errors import InputError, UnsupportedError

from .._operator import operator
from ..types import element_count

# One after the other, where an index is there twice.
_MODES: dict[str, np.ufunc | None] = {
    "update": None,  # each takes the place of what was there
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
}


def _checked(
    x: Tensor, index: Sequence[Tensor], validate_indices: bool | None
) -> tuple[tuple[Tensor, ...], Tensor]:
    """An index into each of the first axes of ``x``, none negative, in one shape; and where all are there."""
    sizes = x.shape[: len(index)]
    if validate_indices is None:
        index = [torch.where(item < 0, item + size, item) for item, size in zip(index, sizes, strict=True)]
    index = list(torch.broadcast_tensors(*index))  # type: ignore[no-untyped-call]
    is_there = torch.ones_like(index[0], dtype=torch.bool)
    for item, size in zip(index, sizes, strict=True):
        is_there &= (item >= 0) & (item < size)
    if validate_indices is not False and not is_there.all():
        raise InputError(f"an index is outside of the axes of the sizes {list(sizes)}")
    return tuple(index), is_there


def _gathered(x: Tensor, index: Sequence[Tensor], validate_indices: bool | None) -> Tensor:
    """``x[index]``: what is at each index into the first axes."""
    places, is_there = _checked(x, index, validate_indices)
    element_count((*is_there.shape, *x.shape[len(places) :]), "the result")
    result = x[tuple(torch.where(is_there, item, 0) for item in places)]
    is_absent = ~is_there.reshape(*is_there.shape, *[1] * (result.ndim - is_there.ndim))
    return result.masked_fill(is_absent, 0) if is_absent.any() else result


def _scattered(
    data: Tensor, index: Sequence[Tensor], updates: Tensor, mode: str, validate_indices: bool | None
) -> Tensor:
    """``data[index]`` becomes ``updates``, or is changed by them."""
    if mode not in _MODES:
        raise UnsupportedError(f"scattering by {mode!r} is not known")
    places, is_there = _checked(data, index, validate_indices)
    result = data.clone()
    change, chosen = _MODES[mode], tuple(item[is_there].numpy() for item in places)
    if change is None:
        result.numpy()[chosen] = updates[is_there].numpy()
    else:
        change.at(result.numpy(), chosen, updates[is_there].numpy())
    return result


def _grid(shape: Sequence[int], rank: int) -> list[Tensor]:
    """The index of each place of the first axes of a tensor that has so many, ready to be broadcast."""
    return [torch.arange(size).reshape(-1, *[1] * (rank - 1 - axis)) for axis, size in enumerate(shape)]


def _along(indices: Tensor, axis: int) -> list[Tensor]:
    """An index into all axes: ``indices`` into one, its own place into the others."""
    index = _grid(indices.shape, indices.ndim)
    index[axis] = indices
    return index


@operator("gather", specification="iOS15, iOS16, iOS17/scatter_gather.py: gather")
def gather(
    x: Tensor, indices: Tensor, axis: int = 0, batch_dims: int = 0, validate_indices: bool | None = None
) -> Tensor:
    """The axis is replaced by those of ``indices``; of these, the first ``batch_dims`` are axes of ``x`` too."""
    axis = axis + x.ndim if axis < 0 else axis
    index = [*_grid(indices.shape[:batch_dims], indices.ndim), indices]
    taken = _gathered(x.movedim(axis, batch_dims), index, validate_indices)
    count = indices.ndim - batch_dims
    return taken.movedim(tuple(range(batch_dims, batch_dims + count)), tuple(range(axis, axis + count)))


@operator("gather_along_axis", specification="iOS15, iOS16, iOS17/scatter_gather.py: gather_along_axis")
def gather_along_axis(
    x: Tensor, indices: Tensor, axis: int = 0, validate_indices: bool | None = None
) -> Tensor:
    """What is in the place of each index along the axis, and in its own place along the others."""
    return _gathered(x, _along(indices, axis), validate_indices)


@operator("gather_nd", specification="iOS15, iOS16, iOS17/scatter_gather.py: gather_nd")
def gather_nd(
    x: Tensor, indices: Tensor, batch_dims: int = 0, validate_indices: bool | None = None
) -> Tensor:
    """The last axis of ``indices`` is an index into the first axes of ``x`` behind those of the batch."""
    index = [*_grid(indices.shape[:batch_dims], indices.ndim - 1), *indices.unbind(-1)]
    return _gathered(x, index, validate_indices)


@operator("scatter", specification="iOS15, iOS17/scatter_gather.py: scatter")
def scatter(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool | None = None,
) -> Tensor:
    """Slices across an axis are changed, each by one of ``updates`` along the same axis."""
    moved = _scattered(data.movedim(axis, 0), [indices], updates.movedim(axis, 0), mode, validate_indices)
    return moved.movedim(0, axis)


@operator("scatter_along_axis", specification="iOS15, iOS17/scatter_gather.py: scatter_along_axis")
def scatter_along_axis(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool | None = None,
) -> Tensor:
    """Changes what :func:`gather_along_axis` gives."""
    return _scattered(data, _along(indices, axis), updates, mode, validate_indices)


@operator("scatter_nd", specification="iOS15, iOS17/scatter_gather.py: scatter_nd")
def scatter_nd(
    data: Tensor, indices: Tensor, updates: Tensor, mode: str = "add", validate_indices: bool | None = None
) -> Tensor:
    """Changes what :func:`gather_nd` gives."""
    return _scattered(data, indices.unbind(-1), updates, mode, validate_indices)
