"""Photographs in the forms that pages are given, and what Python says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from cloformer.export.artifact.folder import Artifact
from cloformer.export.artifact.predict import Prediction, predict
from cloformer.export.reference.cases import PHOTOGRAPH

__all__ = ["encode_stored", "photographs", "predicted"]

_ORIENTATION = ExifTags.Base.Orientation


def photographs(folder: Path) -> list[Path]:
    """The photograph that comes with the package, the same in other forms, and pictures of noise, by their names."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(11)
    chelsea = Image.open(PHOTOGRAPH).convert("RGB")
    held_upright = Image.Exif()
    held_upright[_ORIENTATION] = 6
    clear = np.dstack((np.asarray(chelsea), draw.integers(0, 256, (chelsea.height, chelsea.width), np.uint8)))
    made: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "turned.jpg": (chelsea.rotate(90, expand=True), {"exif": held_upright, "quality": 95}),
        "transparent.png": (Image.fromarray(clear, "RGBA"), {}),
        "grey.png": (chelsea.convert("L"), {}),
        "palette.png": (chelsea.convert("P"), {}),
        "noise.png": (Image.fromarray(draw.integers(0, 256, (301, 203, 3), np.uint8)), {}),
        "thin.png": (Image.fromarray(draw.integers(0, 256, (37, 401, 3), np.uint8)), {}),
        "small.webp": (chelsea.resize((90, 60)), {"lossless": True}),
    }
    for name, (image, options) in made.items():
        image.save(folder / name, **options)
    (folder / PHOTOGRAPH.name).write_bytes(PHOTOGRAPH.read_bytes())
    return sorted(folder.iterdir())


def predicted(artifact: Artifact, images: list[Path]) -> dict[str, Prediction]:
    """What ONNX Runtime gives in Python, by the name of the file."""
    found = {}
    for path, item in zip(images, predict(artifact, images, min_score=0.3), strict=True):
        assert isinstance(item, Prediction), f"{path.name} cannot be read: {item}"
        found[path.name] = item
    return found


def encode_stored(pixels: np.ndarray[Any, Any], orientation: int, path: Path) -> None:
    """Pixels (height, width, 3) as they are stored, with their EXIF orientation, in the form that ``path`` ends with; without loss but
    for JPEG."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    options: dict[str, Any] = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True}}.get(
        path.suffix, {}
    )
    Image.fromarray(pixels).save(path, exif=exif, **options)
