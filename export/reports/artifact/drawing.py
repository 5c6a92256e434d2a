"""What a model sees, drawn over the photograph at its own size."""

from __future__ import annotations

import colorsys
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cloformer.io.write import write_whole

from ...source.preprocessing import load_image

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    from ...artifact.predict import Prediction
    from ...artifact.seen import Box, ClassMap, Points, Seen
    from ...source.arrays import Array

__all__ = ["color_of", "drawn", "picture", "write_drawings"]

_GOLDEN = 0.6180339887498949  # of a circle of hues: colours of neighbouring numbers lie far apart
_LEGEND = 8  # classes
_LARGE = 400  # pixels of a side for one pixel of a line


def color_of(index: int) -> tuple[int, int, int]:
    """The colour of a class, the same in every picture; of class 0 black, which is the background as a rule."""
    if index == 0:
        return 0, 0, 0
    red, green, blue = colorsys.hsv_to_rgb((0.02 + index * _GOLDEN) % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def drawn(photograph: Image.Image, seen: Seen, opacity: float) -> bytes:
    """The photograph as PNG with maps and masks over it, of ``opacity`` from 0 to 1, a legend, boxes with their classes, and points."""
    from PIL import Image, ImageDraw, ImageFont

    pixels = np.asarray(photograph.convert("RGB")).astype(np.float64)
    for found in seen.maps.values():
        colors = np.array(
            [color_of(index) for index in range(int(found.classes.max(initial=0)) + 1)], np.float64
        )
        pixels += opacity * (colors[np.clip(found.classes, 0, None)] - pixels)
    for masks in seen.masks.values():
        for index, mask in enumerate(masks.inside, 1):
            pixels[mask] += opacity * (np.array(color_of(index)) - pixels[mask])
    image = Image.fromarray(np.rint(pixels).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    line = max(1, round(max(image.size) / _LARGE))
    font = ImageFont.load_default(size=max(10, round(min(image.size) / 28)))
    for box in reversed(seen.boxes or ()):  # the best last, on top
        _box(canvas, box, line, font)
    for points in seen.points.values():
        _points(canvas, points, line)
    for found in seen.maps.values():
        _legend(canvas, found, font)
    return _png(image)


def write_drawings(prediction: Prediction, folder: Path, name: str, opacity: float) -> list[Path]:
    """``NAME.png`` with what is drawn over the photograph, where anything is, and ``NAME-OUTPUT.png`` of each picture that the model
    gives. :class:`InputError` if one cannot be written."""
    seen, written = prediction.seen, []
    if any((seen.boxes is not None, seen.maps, seen.masks, seen.points)):
        written.append(folder / f"{name}.png")
        content = drawn(load_image(Path(prediction.image)), seen, opacity)
        write_whole(written[-1], content, "choose another --draw")
    for output, found in seen.pictures.items():
        written.append(folder / f"{name}-{output}.png")
        write_whole(written[-1], picture(found.pixels), "choose another --draw")
    return written


def picture(pixels_HWC: Array) -> bytes:
    """A picture that the model gives, as PNG."""
    from PIL import Image

    grey = pixels_HWC.shape[2] == 1
    return _png(Image.fromarray(pixels_HWC[..., 0] if grey else pixels_HWC))


def _box(
    canvas: ImageDraw.ImageDraw, box: Box, line: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> None:
    color = color_of(box.index + 1)  # of a detector no class is the background
    left, top, right, bottom = box.corners
    canvas.rectangle((left, top, max(left, right), max(top, bottom)), outline=color, width=line)
    _words(canvas, (left, top), f"{box.label or f'class {box.index}'} {box.score:.0%}", color, font)


def _words(
    canvas: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    color: tuple[int, int, int],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> float:
    """A text on its colour; its height."""
    left, top, right, bottom = canvas.textbbox(place, text, font=font)
    canvas.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=color)
    is_light = 0.3 * color[0] + 0.6 * color[1] + 0.1 * color[2] > 127
    canvas.text(place, text, fill=(0, 0, 0) if is_light else (255, 255, 255), font=font)
    return float(bottom - top + 4)


def _points(canvas: ImageDraw.ImageDraw, points: Points, line: int) -> None:
    for index, (x, y, *_) in enumerate(points.points, 1):
        radius = 2 * line + 1
        canvas.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=color_of(index), outline=(255, 255, 255)
        )


def _legend(
    canvas: ImageDraw.ImageDraw, found: ClassMap, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> None:
    y = 4.0
    for index, share in list(found.shares.items())[:_LEGEND]:
        y += _words(
            canvas, (6, y), f"{found.label(index) or f'class {index}'} {share:.0%}", color_of(index), font
        )


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
