"""Images of odd sizes in all eight orientations, and what Python's preprocessing makes of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from cloformer.export.source.preprocessing import INTERPOLATIONS, Preprocessing, upright

COUNT = 100  # half of them with a border
_SIZES = ((1, 1), (1, 37), (41, 1), (2, 3), (7, 5), (31, 64), (64, 31), (224, 224), (256, 256), (257, 255), (640, 427),
          (333, 1001), (1023, 321))  # fmt: skip
_RULES = (
    Preprocessing.imagenet(224, 224),
    Preprocessing(48, 64, 64, color_order="BGR", mean=(0.5, 0.4, 0.3), std=(0.25, 0.5, 0.125)),
    Preprocessing(33, 31, 36, scale=1.0, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)),
    Preprocessing(65, 65, 65),  # nothing to cut from the short side
    Preprocessing(32, 32, 37),  # an odd number to cut: half a pixel on each side
)


def write_images(folder: Path, count: int = COUNT, *, in_all_orientations: bool = False) -> int:
    """Raw pixels as they are stored, upright, after the crop and after the normalization, and an index; each image in one of the eight
    orientations, or in all of them.

    Pillow 13 resizes images that are more than twice as high as wide by columns first, which rounds otherwise. The law
    is rows first, as in all of Pillow before; for such images it is kept by resizing one side at a time. Returns how
    many of the images that concerns with this Pillow.
    """
    folder.mkdir(parents=True)
    generator = np.random.Generator(np.random.PCG64(7))
    index, columns_first = [], 0
    for number, orientation in _turns(count, in_all_orientations=in_all_orientations):
        width, height = _SIZES[number % len(_SIZES)]
        kind = INTERPOLATIONS[number // 2 % len(INTERPOLATIONS)]  # each with and without a border
        rule = Preprocessing(**{**vars(_RULES[number % len(_RULES)]), "interpolation": kind})
        if number % 2:
            side = max(rule.height, rule.width)
            rule = replace(rule, crop="letterbox", resize_size=side, fill=(7 * number) % 256)
        stored = _image(generator, width, height)
        image = Image.fromarray(stored)
        image.getexif()[ExifTags.Base.Orientation] = orientation
        turned = upright(image)
        name = f"{number:02}-{orientation}"
        (folder / f"{name}.rgb").write_bytes(stored.tobytes())
        columns_first += write_stages(folder, name, turned, rule)
        index.append(
            {
                "name": name,
                "width": width,
                "height": height,
                "orientation": orientation,
                "preprocessing": rule.to_json(),
                "points": _points(rule, turned),
            }
        )
    (folder / "images.json").write_text(json.dumps(index, indent=1), "utf-8")
    return columns_first


def write_stages(folder: Path, name: str, image: Image.Image, rule: Preprocessing) -> bool:
    """An upright image's pixels, those after the crop, and the normalized values; whether it is one that Pillow 13 resizes otherwise."""
    pixels = rule.crop_image(_rows_first(image, rule))
    (folder / f"{name}.upright").write_bytes(np.asarray(image).tobytes())
    (folder / f"{name}.pixels").write_bytes(pixels.tobytes())
    (folder / f"{name}.f32").write_bytes(rule.normalize(pixels).astype("<f4").tobytes())
    return not np.array_equal(pixels, rule.crop_image(image))


def _turns(count: int, *, in_all_orientations: bool) -> Iterator[tuple[int, int]]:
    """The number of each image, with an orientation of EXIF's, 1 to 8."""
    for number in range(count):
        yield from (
            (number, turn) for turn in (range(1, 9) if in_all_orientations else [1 + number // 2 % 8])
        )


def _rows_first(image: Image.Image, rule: Preprocessing) -> Image.Image:
    """Resized as ``rule`` says, so that cropping is all that is left for it to do."""
    width, height = rule.placement(image.width, image.height).resized
    method = Image.Resampling[rule.interpolation.upper()]
    return image.resize((width, image.height), method).resize((width, height), method)


def _points(rule: Preprocessing, image: Image.Image) -> list[list[float]]:
    """Places in the input, and where they are in the upright image."""
    places = np.array([(0, 0), (rule.width / 3, rule.height / 7), (rule.width, rule.height), (-2.5, 1e3)])
    back = rule.placement(image.width, image.height).back(places)
    return np.concatenate((places, back), 1).tolist()


def _image(generator: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Noise, which no filter leaves alone, and hard edges, over which they overshoot."""
    noise = generator.integers(0, 256, (height, width, 3), np.uint8)
    edges = np.where(generator.integers(0, 2, (height, width, 1)), 255, 0).astype(np.uint8)
    return np.where(generator.integers(0, 3, (height, width, 1)), noise, edges)
