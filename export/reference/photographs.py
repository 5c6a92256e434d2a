"""A photograph as the model's own preprocessing makes it.

The steps are those of :mod:`..preprocessing`, written a second time: that module feeds the artifact here as it
does everywhere, so a fault in it (a photograph left lying on its side) is a difference and not the same twice.
Decoding, which turns HEIC upright already, and resampling are the same on both sides.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np

from ..formats.runners import Array
from ..source.images import opened_image
from ..source.preprocessing import Preprocessing, _rgb

__all__ = ["reference_pixels"]

_ORIENTATION = 0x0112  # the EXIF tag
# What turns a photograph upright, by the tag: rows and columns exchanged, then upside down, then mirrored.
_TURNS = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
    6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


def reference_pixels(path: Path, rule: Preprocessing) -> Array:
    """(height, width, channels), 0 to 255, in the rule's colour order. Raises as :func:`.load_image` does."""
    from PIL import Image

    with opened_image(path) as image:
        tag = image.getexif().get(_ORIENTATION, 1)
        pixels = np.asarray(_rgb(image))
    is_exchanged, is_upside_down, is_mirrored = _TURNS.get(tag, (False, False, False))
    pixels = pixels.swapaxes(0, 1) if is_exchanged else pixels
    pixels = pixels[::-1] if is_upside_down else pixels
    pixels = pixels[:, ::-1] if is_mirrored else pixels
    short = min(pixels.shape[:2])
    height, width = (rule.resize_size * side // short for side in pixels.shape[:2])
    if rule.crop == "letterbox":
        height, width = _fitted(pixels.shape[0], pixels.shape[1], rule)
    filters = {
        "nearest": Image.Resampling.NEAREST,
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
        "lanczos": Image.Resampling.LANCZOS,
    }
    resized = Image.fromarray(np.ascontiguousarray(pixels))
    for size in ((width, resized.height), (width, height)):
        resized = resized.resize(size, filters[rule.interpolation])
    if rule.crop == "letterbox":
        cropped = np.full((rule.height, rule.width, 3), rule.fill, np.uint8)
        top, left = (rule.height - height) // 2, (rule.width - width) // 2
        cropped[top : top + height, left : left + width] = np.asarray(resized)
    else:
        top, left = round((height - rule.height) / 2), round((width - rule.width) / 2)
        cropped = np.asarray(resized)[top : top + rule.height, left : left + rule.width]
    if len(rule.mean) == 1:
        return np.asarray(Image.fromarray(cropped).convert("L"))[..., None]
    order = {"RGB": (0, 1, 2), "BGR": (2, 1, 0)}[rule.color_order]
    return np.ascontiguousarray(cropped[..., order])


def _fitted(height: int, width: int, rule: Preprocessing) -> tuple[int, int]:
    """As large as it fits, a half of a pixel rounded up; by fractions, where the law is in whole numbers."""
    factor = min(Fraction(rule.height, height), Fraction(rule.width, width))
    return max(1, floor(factor * height + Fraction(1, 2))), max(1, floor(factor * width + Fraction(1, 2)))
