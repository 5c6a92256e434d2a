"""Resizing along the axes (``image_resizing.py``): the linear ones differ in the points that they look at."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cloformer.errors import InputError, UnsupportedError

from .._operator import Ints, operator
from ..types import element_count


def grid_points(sampling_mode: str, size: Tensor, count: int) -> Tensor:
    """``count`` points of an axis of ``size`` pixels, or of each of several; the first pixel is 0."""
    steps, last = torch.arange(count, dtype=torch.float64), size - 1
    if sampling_mode == "ALIGN_CORNERS" and count == 1:
        return steps + last / 2
    if sampling_mode in ("ALIGN_CORNERS", "STRICT_ALIGN_CORNERS"):
        return steps * last / max(count - 1, 1)
    if sampling_mode == "DEFAULT":
        points = steps * size / count
    elif sampling_mode == "OFFSET_CORNERS":
        points = (steps + 0.5) * last.clamp(min=1) / count
    elif sampling_mode == "UNALIGN_CORNERS":
        points = (steps + 0.5) * size / count - 0.5
    else:
        raise UnsupportedError(f"the sampling mode {sampling_mode!r} is not known")
    return points.clamp(last.clamp(max=0), last.clamp(min=0))


def _taken(x: Tensor, axis: int, places: Tensor) -> Tensor:
    element_count((*x.shape[:axis], len(places), *x.shape[axis + 1 :]), "the resized input")
    return x.index_select(axis, places)


def _linear(x: Tensor, axis: int, points: Tensor) -> Tensor:
    """Between the two pixels next to each point."""
    low = points.floor().long()
    weight = (points - low).to(x.dtype).reshape(-1, *[1] * (x.ndim - 1 - axis))
    high = (low + 1).clamp(max=x.shape[axis] - 1)
    return _taken(x, axis, low) * (1 - weight) + _taken(x, axis, high) * weight


def _resized(x: Tensor, sizes: list[int], along: Callable[[Tensor, int, int], Tensor]) -> Tensor:
    """The last axes, one after the other, resized to ``sizes`` by ``along(x, axis, size)``."""
    first = x.ndim - len(sizes)
    element_count((*x.shape[:first], *sizes), "the resized input")
    for axis, size in enumerate(sizes, start=first):
        x = along(x, axis, size)
    return x


def _resized_linear(x: Tensor, sizes: list[int], sampling_mode: str) -> Tensor:
    if not x.is_floating_point():
        raise UnsupportedError("how whole numbers are rounded between pixels is not known")
    return _resized(
        x,
        sizes,
        lambda x, axis, count: _linear(
            x, axis, grid_points(sampling_mode, torch.tensor(float(x.shape[axis])), count)
        ),
    )


def _centres(x: Tensor, axis: int, count: int) -> Tensor:
    """The pixel that the centre of each new one lies in."""
    return _taken(x, axis, (2 * torch.arange(count) + 1) * x.shape[axis] // (2 * count))


def _starts(x: Tensor, axis: int, count: int) -> Tensor:
    """The pixel that each new one begins in."""
    return _taken(x, axis, torch.arange(count) * x.shape[axis] // count)


def _scaled(x: Tensor, scale_factor_height: float, scale_factor_width: float) -> list[int]:
    """The sizes are rounded down in float32, as coremltools does."""
    factors = torch.tensor([scale_factor_height, scale_factor_width])
    return [int(size) for size in (torch.tensor(x.shape[-2:]) * factors).floor().tolist()]


@operator("upsample_nearest_neighbor", specification="iOS15/image_resizing.py: upsample_nearest_neighbor")
def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: float = 1.0, scale_factor_width: float = 1.0
) -> Tensor:
    """As torch's ``nearest``."""
    return _resized(x, _scaled(x, scale_factor_height, scale_factor_width), _starts)


@operator("resize_nearest_neighbor", specification="iOS15/image_resizing.py: resize_nearest_neighbor")
def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    """As TensorFlow's with ``half_pixel_centers``, from which coremltools makes it."""
    return _resized(x, [target_size_height, target_size_width], _centres)


@operator("upsample_bilinear", specification="iOS15, iOS16/image_resizing.py: upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: float = 1.0,
    scale_factor_width: float = 1.0,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    half_pixel_centers = not align_corners if half_pixel_centers is None else half_pixel_centers
    if align_corners and half_pixel_centers:
        raise InputError("corners are aligned, or centres of pixels, not both")
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS" if half_pixel_centers else "DEFAULT"
    return _resized_linear(x, _scaled(x, scale_factor_height, scale_factor_width), mode)


@operator("resize_bilinear", specification="iOS15/image_resizing.py: resize_bilinear")
def resize_bilinear(
    x: Tensor, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Tensor:
    return _resized_linear(x, [target_size_height, target_size_width], sampling_mode)


@operator("resize", specification="iOS17/image_resizing.py: resize")
def resize(
    x: Tensor,
    shape: Ints,
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """The last ``resized_dims`` axes get the last sizes of ``shape``; 0 keeps one."""
    if not 0 <= resized_dims <= min(len(shape), x.ndim):
        raise InputError(f"{resized_dims} axes cannot be resized to {shape}")
    first = x.ndim - resized_dims
    sizes = [
        size or own for size, own in zip(shape[len(shape) - resized_dims :], x.shape[first:], strict=True)
    ]
    if interpolation_mode == "LINEAR":
        return _resized_linear(x, sizes, sampling_mode)
    # Which pixel is nearest where corners are aligned is written nowhere.
    if interpolation_mode != "NEAREST_NEIGHBOR" or sampling_mode != "DEFAULT":
        raise UnsupportedError(f"{interpolation_mode!r} in the sampling mode {sampling_mode!r} is not known")
    return _resized(x, sizes, _centres)


@operator("crop", specification="iOS15/image_resizing.py: crop")
def crop(x: Tensor, crop_height: Ints, crop_width: Ints) -> Tensor:
    """So much is cut off before and behind each of the last two axes."""
    (top, bottom), (left, right) = crop_height, crop_width
    height, width = x.shape[-2:]
    return x.narrow(-2, top, height - top - bottom).narrow(-1, left, width - left - right)
