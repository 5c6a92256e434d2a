"""Reading images between their pixels (``image_resizing.py``). Coordinates are float64."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cloformer.errors import InputError, UnsupportedError

from .._operator import operator
from ..types import element_count
from .resize import grid_points


def _pixels(x: Tensor, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels (N, C, h, w) of ``x`` (B, C, H, W), each from one image; what is outside has the nearest one's."""
    height, width = x.shape[2:]
    rows, columns = rows.clamp(0, height - 1).long(), columns.clamp(0, width - 1).long()
    return x[images.reshape(-1, 1, 1), :, rows, columns].movedim(-1, 1)


def _is_inside(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    height, width = x.shape[2:]
    return ((rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)).unsqueeze(1)


def _bilinear(rows: Tensor, columns: Tensor, pixels: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Between the four pixels next to each point; rows and columns are (N, h, w), or can be made so."""
    top, left = rows.floor(), columns.floor()
    a, b = pixels(top, left), pixels(top, left + 1)
    c, d = pixels(top + 1, left), pixels(top + 1, left + 1)
    down, right = ((item % 1).to(a.dtype).unsqueeze(1) for item in (rows, columns))
    return (a * (1 - right) + b * right) * (1 - down) + (c * (1 - right) + d * right) * down


_BOX_MODES = [f"{kind}_{first}_FIRST" for kind in ("CORNERS", "CENTER_SIZE") for first in ("HEIGHT", "WIDTH")]


def _corners(boxes: Tensor, box_coordinate_mode: str) -> tuple[Tensor, Tensor]:
    """First and last point of each box, height before width."""
    if box_coordinate_mode not in _BOX_MODES:
        raise UnsupportedError(f"boxes as {box_coordinate_mode!r} are not known")
    pairs = boxes.reshape(-1, 2, 2)
    pairs = pairs.flip(-1) if box_coordinate_mode.endswith("WIDTH_FIRST") else pairs
    start, end = pairs.unbind(1)
    if box_coordinate_mode.startswith("CENTER"):
        start, end = start - end / 2, start + end / 2
    return start, end


@operator("crop_resize", specification="iOS15, iOS16, iOS17/image_resizing.py: crop_resize")
def crop_resize(
    x: Tensor,
    roi: Tensor | None = None,
    boxes: Tensor | None = None,
    box_indices: Tensor | None = None,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Tensor:
    """Boxes cut out of images and resized; points outside of the image have ``pad_value``.

    Since iOS 17, ``boxes`` (N, 4) are of the images ``box_indices``: (N, C, h, w). Before, ``roi``
    (N, 1, 5, 1, 1) begins with the image: (N, 1, C, h, w); (N, 1, 4, 1, 1) is of all images: (N, B, C, h, w).
    """
    if roi is not None:
        given = roi.reshape(len(roi), -1)
        if given.shape[1] == 5:
            images, given = given[:, :1].long(), given[:, 1:]
        else:
            images = torch.arange(len(x)).expand(len(given), -1)
    elif boxes is not None:
        given = boxes
        images = (torch.arange(len(boxes)) if box_indices is None else box_indices).reshape(-1, 1)
    else:
        raise InputError("there are no boxes")
    if sampling_mode == "UNALIGN_CORNERS":
        # In the only example, a test of coremltools', the box has no effect.
        raise UnsupportedError("how boxes are sampled in the mode UNALIGN_CORNERS is not known")
    if not ((images >= 0) & (images < len(x))).all():
        raise InputError(f"a box is of an image that is not one of {len(x)}")
    element_count((*images.shape, x.shape[1], target_height, target_width), "the crops")
    scale = torch.tensor(x.shape[2:]) - 1 if normalized_coordinates else torch.ones(2)
    points = []
    corners = _corners(given.double() * spatial_scale, box_coordinate_mode)
    for count, start, end in zip((target_height, target_width), *((item * scale).T for item in corners)):
        start, end = (item.repeat_interleave(images.shape[1]).reshape(-1, 1) for item in (start, end))
        inner = start + grid_points(sampling_mode, end - start + 1, count)
        points.append(inner.clamp(torch.minimum(start, end), torch.maximum(start, end)))
    rows, columns = points[0].unsqueeze(-1), points[1].unsqueeze(-2)
    crops = _bilinear(rows, columns, lambda row, column: _pixels(x, images, row, column))
    crops = torch.where(_is_inside(x, rows, columns), crops, pad_value)
    return crops if roi is None else crops.reshape(*images.shape, *crops.shape[1:])


def _in_pixels(points: Tensor, size: int, coordinates_mode: str, align_corners: bool) -> Tensor:
    """Coordinates along an axis of so many pixels; the first one is 0."""
    if coordinates_mode == "unnormalized":
        return points
    if coordinates_mode not in ("normalized_minus_one_to_one", "normalized_zero_to_one"):
        raise UnsupportedError(f"coordinates as {coordinates_mode!r} are not known")
    points = (points + 1) / 2 if coordinates_mode == "normalized_minus_one_to_one" else points
    return points * (size - 1) if align_corners else points * size - 0.5


def _folded(points: Tensor, size: int, padding_mode: str) -> Tensor:
    """Mirrored at the outermost pixels, or at their outer edges, until they are inside."""
    if padding_mode not in ("reflection", "symmetric"):
        return points
    first, span = (0.0, size - 1) if padding_mode == "reflection" else (-0.5, size)
    return first + span - ((points - first) % max(2 * span, 1) - span).abs() if span else points * 0


@operator("resample", specification="iOS15, iOS16, iOS17/image_resizing.py: resample")
def resample(
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """Each image at its own coordinates (B, h, w, 2), width before height. Half way between pixels, the nearest
    is the even one."""
    if sampling_mode not in ("bilinear", "nearest"):
        raise UnsupportedError(f"the sampling mode {sampling_mode!r} is not known")
    if padding_mode not in ("constant", "border", "reflection", "symmetric"):
        raise UnsupportedError(f"padding {padding_mode!r} is not known")
    element_count((*coordinates.shape[:3], x.shape[1]), "the result")
    rows, columns = (
        _folded(_in_pixels(points, size, coordinates_mode, align_corners), size, padding_mode)
        for points, size in zip(coordinates.double().flip(-1).unbind(-1), x.shape[2:], strict=True)
    )

    def pixels(rows: Tensor, columns: Tensor) -> Tensor:
        found = _pixels(x, torch.arange(len(x)), rows, columns)
        if padding_mode != "constant":
            return found
        return torch.where(_is_inside(x, rows, columns), found, padding_value)

    return (
        pixels(rows.round(), columns.round())
        if sampling_mode == "nearest"
        else _bilinear(rows, columns, pixels)
    )


@operator("affine", specification="iOS15/image_resizing.py: affine")
def affine(
    x: Tensor,
    transform_matrix: Tensor,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """:func:`resample` at (a0 x + a1 y + a2, b0 x + b1 y + b2), (x, y) the place in the output; a row
    (a0, .., b2) for each image, or one for all."""
    if coordinates_mode != "normalized_minus_one_to_one" or not align_corners:
        raise UnsupportedError(f"places of the output as {coordinates_mode!r}, align_corners {align_corners}")
    element_count((*x.shape[:2], output_height, output_width), "the result")
    matrix = transform_matrix.double().reshape(-1, 2, 3).expand(len(x), -1, -1)
    places = F.affine_grid(matrix, [len(x), 1, output_height, output_width], align_corners=True)
    result: Tensor = resample(
        x, places, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners
    )
    return result
