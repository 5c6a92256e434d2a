"""What moves numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._table import defines

aten = torch.ops.aten


@defines(aten.pad.default)
def pad(self: Tensor, pad: list[int], mode: str, value: float | None) -> Any:
    """Axis after axis, the last first: around it, cat(the last of x, x, the first of x); what is fewer than none is cut off"""
    if mode == "circular":
        return _around(_cut(self, pad), pad)
    if min(pad) >= 0:
        return NotImplemented
    widths = [max(width, 0) for width in pad]
    return _cut(aten.pad.default(self, widths, mode, value) if any(widths) else self, pad)


def _cut(x: Tensor, widths: list[int]) -> Tensor:
    for place in range(len(widths) // 2):
        before, after = (max(-width, 0) for width in widths[2 * place : 2 * place + 2])
        axis = x.ndim - 1 - place
        if before or after:
            x = x.narrow(axis, before, x.shape[axis] - before - after)
    return x


def _around(x: Tensor, widths: list[int]) -> Tensor:
    for place in range(len(widths) // 2):
        before, after = (max(width, 0) for width in widths[2 * place : 2 * place + 2])
        axis = x.ndim - 1 - place
        size, parts = x.shape[axis], [x]
        if before:
            parts.insert(0, x.narrow(axis, size - before, before))
        if after:
            parts.append(x.narrow(axis, 0, after))
        x = torch.cat(parts, axis) if len(parts) > 1 else x
    return x


@defines(aten.stack.default)
def stack(tensors: list[Tensor], dim: int) -> Any:
    """Of one type."""
    kinds = {item.dtype for item in tensors}
    return torch.stack(_alike(tensors), dim) if len(kinds) > 1 else NotImplemented


@defines(aten.cat.default)
def cat(tensors: list[Tensor], dim: int) -> Any:
    """Of one type."""
    kinds = {item.dtype for item in tensors}
    return torch.cat(_alike(tensors), dim) if len(kinds) > 1 else NotImplemented


@defines(aten.hstack.default)
def hstack(tensors: list[Tensor]) -> Tensor:
    """Along the second axis, or the only one."""
    return torch.cat(
        [each.reshape(1) if each.ndim == 0 else each for each in tensors], int(tensors[0].ndim > 1)
    )


@defines(aten.vstack.default)
def vstack(tensors: list[Tensor]) -> Tensor:
    """Below one another, numbers and rows as rows."""
    return torch.cat([each.reshape(1, -1) if each.ndim < 2 else each for each in tensors])


@defines(aten.dstack.default)
def dstack(tensors: list[Tensor]) -> Tensor:
    """Along the third axis, which a matrix has not yet, and a row neither."""
    rows = [each.reshape(1, -1) if each.ndim < 2 else each for each in tensors]
    return torch.cat([each.unsqueeze(-1) if each.ndim == 2 else each for each in rows], 2)


def _alike(tensors: list[Tensor]) -> list[Tensor]:
    kind = tensors[0].dtype
    for item in tensors[1:]:
        kind = torch.promote_types(kind, item.dtype)
    return [item if item.dtype == kind else item.to(kind) for item in tensors]


@defines(aten.diff.default)
def diff(self: Tensor, n: int, dim: int, prepend: Tensor | None, append: Tensor | None) -> Tensor:
    """Each number less the one before it, n times."""
    parts = [item for item in (prepend, self, append) if item is not None]
    x = torch.cat(parts, dim) if len(parts) > 1 else self
    for _ in range(min(n, x.shape[dim])):
        later, earlier = (x.narrow(dim, start, x.shape[dim] - 1) for start in (1, 0))
        x = later - earlier if x.dtype is not torch.bool else later != earlier
    return x


@defines(aten.unfold.default)
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows along an axis, by the places of what they see."""
    axis = dimension % self.ndim
    count = (self.shape[axis] - size) // step + 1
    places = torch.arange(count).unsqueeze(1) * step + torch.arange(size)
    taken = self.index_select(axis, places.reshape(-1))
    windows = taken.reshape(*self.shape[:axis], count, size, *self.shape[axis + 1 :])
    order = [place for place in range(windows.ndim) if place != axis + 1]
    return windows.permute(*order, axis + 1)


@defines(aten.take.default)
def take(self: Tensor, index: Tensor) -> Tensor:
    """From the flattened input."""
    return self.reshape(-1).index_select(0, index.reshape(-1)).reshape(index.shape)


@defines(aten.take_along_dim.default)
def take_along_dim(self: Tensor, indices: Tensor, dim: int | None) -> Tensor:
    """gather, of sizes that are the same but along the axis"""
    if dim is None:
        return self.reshape(-1).gather(0, indices.reshape(-1))
    axis = dim % self.ndim
    pairs = list(zip(self.shape, indices.shape, strict=True))
    sizes = [max(pair) if min(pair) == 1 else min(pair) for pair in pairs[:axis] + pairs[axis + 1 :]]
    source, places = (item.expand(*sizes[:axis], item.shape[axis], *sizes[axis:]) for item in (self, indices))
    return source.gather(axis, places)


@defines(aten.diag_embed.default)
def diag_embed(self: Tensor, offset: int, dim1: int, dim2: int) -> Any:
    """x times the identity matrix"""
    if (offset, dim1, dim2) != (0, -2, -1):
        return NotImplemented
    return self.unsqueeze(-1) * torch.eye(self.shape[-1], dtype=self.dtype)


@defines(aten.roll.default)
def roll(self: Tensor, shifts: list[int], dims: list[int]) -> Any:
    """Where no axis is named, of the flattened input."""
    if dims:
        return NotImplemented
    return torch.roll(self.reshape(-1), shifts, [0]).reshape(self.shape)


@defines(aten.diagonal.default)
def diagonal_of(self: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
    """Every so many of the two axes, flattened."""
    first, second = dim1 % self.ndim, dim2 % self.ndim
    others = [axis for axis in range(self.ndim) if axis not in (first, second)]
    rows, columns = self.shape[first], self.shape[second]
    begin = offset if offset >= 0 else -offset * columns
    count = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    flat = self.permute(*others, first, second).flatten(-2)
    return flat.index_select(-1, torch.arange(count) * (columns + 1) + begin)


@defines(aten.diag.default)
def diag(self: Tensor, diagonal: int) -> Any:
    """Of a matrix its diagonal; of a vector the matrix that has it there"""
    return diagonal_of(self, diagonal, 0, 1) if self.ndim == 2 else diag_embed(self, diagonal, -2, -1)


@defines(aten.gather.default)
def gather(self: Tensor, dim: int, index: Tensor, **_: object) -> Any:
    """Along other axes, as many as there are places."""
    axis, x = dim % self.ndim, self
    for other in range(self.ndim):
        if other != axis and x.shape[other] != index.shape[other]:
            x = x.narrow(other, 0, index.shape[other])
    return NotImplemented if x is self else torch.gather(x, dim, index)


@defines(aten.index_add.default)
def index_add(self: Tensor, dim: int, index: Tensor, source: Tensor, alpha: float) -> Tensor:
    """scatter_add, by each place as often as there are numbers for it"""
    scaled = source if alpha == 1 else source * alpha
    return torch.scatter_add(self, dim, _spread(index, source, dim), scaled)


@defines(aten.index_copy.default)
def index_copy(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """scatter, by each place as often as there are numbers for it"""
    return torch.scatter(self, dim, _spread(index, source, dim), source)


@defines(aten.index_fill.int_Scalar)
def index_fill(self: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """The value where the place is one of them."""
    is_one = (torch.arange(self.shape[dim]).unsqueeze(1) == index).any(1)
    return torch.where(is_one.reshape([-1] + [1] * (self.ndim - 1 - dim % self.ndim)), value, self)


def _spread(index: Tensor, source: Tensor, dim: int) -> Tensor:
    sizes = [1] * source.ndim
    sizes[dim] = -1
    return index.reshape(sizes).expand(source.shape)


@defines(aten.scatter.value, aten.scatter.src)
def scatter(
    self: Tensor, dim: int, index: Tensor, value: float | None = None, src: Tensor | None = None
) -> Any:
    """Where there are fewer places than numbers along another axis, the rest stays; a whole number among others is one of
    their type."""
    is_whole = isinstance(value, int) and self.is_floating_point()
    value = float(value) if is_whole and value is not None else value
    if src is not None and src.shape != index.shape:
        for other in range(self.ndim):
            src = src.narrow(other, 0, index.shape[other])
    elif not fewer_axes(self, dim, index) and not is_whole:
        return NotImplemented
    given = value if src is None else src
    return at_fewer_places(self, dim, index, lambda part: torch.scatter(part, dim, index, given))  # type: ignore[arg-type]


def fewer_axes(self: Tensor, dim: int, index: Tensor) -> list[int]:
    """The axes, but for ``dim``, along which there are fewer places than numbers."""
    return [
        axis for axis in range(self.ndim) if axis != dim % self.ndim and index.shape[axis] < self.shape[axis]
    ]


def at_fewer_places(self: Tensor, dim: int, index: Tensor, put: Callable[[Tensor], Tensor]) -> Tensor:
    """What ``put`` makes of the part that there are places in; the rest stays."""
    fewer = fewer_axes(self, dim, index)
    changed = self
    for axis in fewer:
        changed = changed.narrow(axis, 0, index.shape[axis])
    changed = put(changed)
    for axis in reversed(fewer):
        count = index.shape[axis]
        kept = self
        for before in fewer[: fewer.index(axis)]:
            kept = kept.narrow(before, 0, index.shape[before])
        changed = torch.cat([changed, kept.narrow(axis, count, self.shape[axis] - count)], axis)
    return changed
