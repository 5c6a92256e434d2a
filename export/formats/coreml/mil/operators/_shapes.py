"""What shapes results will have: known, and refused if they are too large, before memory is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from cloformer.errors import InputError

from ..types import element_count

__all__ = ["Span", "along_axis", "broadcast_count", "product_count"]


Span: TypeAlias = "slice[int | None, int | None, int | None]"


def along_axis(x: Tensor, vector: Tensor, axis: int = 1) -> Tensor:
    """``vector`` (one number, or one for each position of ``axis``) in a shape that is broadcast to that of ``x``."""
    if vector.numel() not in (1, x.shape[axis]):
        raise InputError(f"{vector.numel()} numbers are given for an axis of {x.shape[axis]}")
    shape = [1] * x.ndim
    shape[axis] = -1
    return vector.reshape(shape)


def broadcast_count(shapes: Sequence[Sequence[int]], *behind: int) -> None:
    """Raise :class:`InputError` if the shapes, broadcast, and the sizes ``behind`` them are too large."""
    shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    element_count((*shape, *behind), "the result")


def product_count(x: Tensor, y: Tensor) -> None:
    """The same for the matrix product of ``x`` (.., M, K) and ``y`` (.., K, N); a vector has no M or N."""
    broadcast_count(
        [x.shape[:-2], y.shape[:-2]],
        *(x.shape[-2:-1]),
        *(y.shape[-1:] if y.ndim > 1 else ()),
    )
