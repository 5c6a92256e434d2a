"""The conformance kit: images that each show one mistake of an app's preprocessing, with what the model gives for them.

Whoever puts a model into an app writes its preprocessing again, and most wrong results on phones come from there.
Each image below but the last changes under one mistake and under none of the others, so the vector that fails says
what is wrong; the last, a photograph, is for the model alone. All are drawn from a seed: an artifact carries the model's outputs and the pixels' hashes alone.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cloformer.errors import InputError
from cloformer.io.tensors import read_tensors, tensors_as_bytes

from ..formats.runners import Array
from ..reference.cases import PHOTOGRAPH
from ..source.postprocessing import softmax
from ..source.preprocessing import Preprocessing, load_image, upright
from ..source.signature import Signature, TensorSpec
from .folder import KIT, Artifact
from .vectors import stored_type

if TYPE_CHECKING:
    from ..reference.references import Reference
    from ..source.preprocessing import Pixels
    from ..source.resolve import Source

__all__ = [
    "Kit",
    "KitImage",
    "KitVector",
    "has_kit",
    "kit_images",
    "make_kit",
    "read_kit",
    "write_kit",
]

_SEPARATOR = "/"
_MAX_BYTES = 2**28

# Pixels, after the resize: every pattern repeats after so many. From the corner or from the middle, a crop of
# 224 of 256 then shows the same; and it is two of JPEG's blocks.
_PERIOD = 16
_BLOCK = 8
_FLAT = 8  # around what repeats, so that a filter reaches over the edge into the same grey: more than Lanczos does
_ROTATED = 6  # EXIF: the camera was held upright; its picture is to be turned by 90 degrees


@dataclass(frozen=True)
class KitImage:
    """An image file as an app gets it, and what it judges beside the model: the ``pixels`` after the crop, the
    ``input`` as the model takes it, or nothing but the model's ``outputs``."""

    name: str
    aims_at: str
    file: str
    content: bytes
    compares: str

    def pixels(self, rule: Preprocessing) -> Pixels:
        """What resize and crop must give, (height, width, 3) in R, G, B order."""
        from PIL import Image

        with Image.open(io.BytesIO(self.content)) as image:
            return rule.in_order(rule.crop_image(upright(image)))


@dataclass(frozen=True)
class KitVector:
    """An image, the cropped pixels (height, width, 3) in R, G, B order, the input (1, 3, height, width), normalized unless the
    model does that itself, and the untouched model's outputs for it by name."""

    image: KitImage
    pixels: Pixels
    input: Array
    outputs: Mapping[str, Array]


@dataclass(frozen=True)
class Kit:
    """Every image's name and cropped pixels, and the untouched model's flat outputs for it."""

    pixels: Mapping[str, Pixels]
    outputs: tuple[Sequence[Array], ...]


def has_kit(preprocessing: Mapping[str, Preprocessing], signature: Signature) -> bool:
    """Whether the model takes one colour image and nothing else."""
    rules = list(preprocessing.values())
    is_one = len(signature.inputs) == len(rules) == 1 and signature.inputs[0].shape[0] == 1
    return is_one and len(rules[0].mean) == 3


def kit_images(rule: Preprocessing) -> list[KitImage]:
    """The images for a preprocessing, always the same bytes for the same Pillow."""
    return list(_images_of(rule.resize_size))


@lru_cache(maxsize=8)
def _images_of(side: int) -> tuple[KitImage, ...]:
    """Those that are resized to ``side`` pixels; packing them as PNG takes longer than a small model."""
    tile = _noise(1, (_PERIOD, _PERIOD))
    grey = _repeat(tile, side)
    return (
        KitImage("channel-order", "the order of red, green and blue", "channel-order.png",
                 _png(_repeat(_noise(2, (_PERIOD, _PERIOD, 3)), side)), "pixels"),
        KitImage("normalization", "scale, mean and standard deviation", "normalization.png", _png(grey), "input"),
        KitImage("resize-filter", "the filter that images are resized with", "resize-filter.png",
                 _png(_fine(side)), "pixels"),
        KitImage("crop", "where the middle is cut out, or the border lies", "crop.png",
                 _png(_noise(3, (side, side * 4 // 3))), "pixels"),
        KitImage("orientation", "the EXIF orientation of photographs", "orientation.jpg", _turned(side), "pixels"),
        KitImage("alpha", "transparency, which is ignored", "alpha.png",
                 _png(_transparent(grey, side)), "pixels"),
        KitImage("photograph", "the model itself", "photograph.png", _png(np.asarray(load_image(PHOTOGRAPH))),
                 "outputs"),
    )  # fmt: skip


def make_kit(source: Source, reference: Reference) -> Kit | None:
    """Run the untouched model on every image; None unless it takes one colour image and nothing else."""
    if not has_kit(source.preprocessing, reference.twin.signature):
        return None
    ((name, rule),) = source.preprocessing.items()
    pixels = {image.name: image.pixels(rule) for image in kit_images(rule)}
    cases = [{name: rule.normalize(rule.in_order(each)).astype(np.float64)} for each in pixels.values()]
    return Kit(pixels, tuple(reference.run(case) for case in cases))


def write_kit(path: Path, kit: Kit, signature: Signature) -> None:
    """The outputs as ``signature``, the written model's, gives them, and the hashes of the pixels."""
    tensors: dict[str, Array] = {}
    for image, outputs in zip(kit.pixels, kit.outputs, strict=True):
        for spec, output in zip(signature.outputs, outputs, strict=True):
            expected = softmax(output) if spec.role == "probabilities" else output
            tensors[_SEPARATOR.join((image, spec.name))] = np.asarray(
                expected.astype(stored_type(spec)), order="C"
            )
    hashes = {image: _hash(pixels) for image, pixels in kit.pixels.items()}
    path.write_bytes(tensors_as_bytes(tensors, hashes))


def read_kit(artifact: Artifact) -> list[KitVector]:
    """The artifact's kit: its images drawn again, its outputs read.

    Raises :class:`InputError` if it has none, a damaged one, or one whose pixels another Pillow made.
    """
    image_input = artifact.function.inputs[0]
    path, rule = artifact.listed(KIT), image_input.preprocessing
    if path is None or rule is None:
        raise InputError(
            f"{artifact.folder} has no conformance kit: it was exported by an older cloformer, or does not "
            "take one colour image",
            "export it again",
        )
    tensors, hashes = read_tensors(path, _MAX_BYTES, "export the artifact again")
    given = rule.without_normalization() if image_input.preprocessing_inside else rule
    vectors = []
    for image in kit_images(rule):
        pixels = image.pixels(rule)
        if hashes.get(image.name) != _hash(pixels):
            raise InputError(
                f"{path}: the pixels of {image.name} are not the ones that the export made",
                "another version of Pillow or of cloformer made them: export the artifact again",
            )
        outputs = {
            spec.name: _checked(path, tensors.get(_SEPARATOR.join((image.name, spec.name))), spec)
            for spec in artifact.signature.outputs
        }
        vectors.append(KitVector(image, pixels, given.normalize(rule.in_order(pixels)), outputs))
    return vectors


def _checked(path: Path, value: Array | None, spec: TensorSpec) -> Array:
    if value is None or tuple(value.shape) != spec.shape or str(value.dtype) != stored_type(spec):
        what = "is not there" if value is None else f"is {value.dtype} {list(value.shape)}"
        raise InputError(
            f"{path}: {spec.name} {what}, and the artifact's is {spec.dtype} {list(spec.shape)}",
            "export the artifact again",
        )
    return value


def _noise(seed: int, shape: tuple[int, ...]) -> Pixels:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, shape, np.uint8)


def _repeat(tile: Pixels, side: int) -> Pixels:
    """A square of ``side`` pixels full of the tile."""
    times = -(-side // tile.shape[0])
    return np.tile(tile, (times, times) + (1,) * (tile.ndim - 2))[:side, :side]


def _fine(side: int) -> Pixels:
    """Twice the size that it will have: detail that every filter sees otherwise."""
    tile = np.full((2 * _PERIOD, 2 * _PERIOD), 128, np.uint8)
    tile[_FLAT:-_FLAT, _FLAT:-_FLAT] = _noise(4, (2 * (_PERIOD - _FLAT),) * 2)
    return _repeat(tile, 2 * side)


def _transparent(grey: Pixels, side: int) -> Pixels:
    alpha = _repeat(_noise(5, (_PERIOD, _PERIOD)), side)
    return np.dstack((grey, grey, grey, alpha))


def _turned(side: int) -> bytes:
    """Four greys in flat blocks, which differ however they are turned or mirrored; every JPEG decoder gives a flat
    block to the bit."""
    from PIL import ExifTags, Image

    tile = np.array([[32, 96], [160, 224]], np.uint8).repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = _ROTATED
    stream = io.BytesIO()
    Image.fromarray(_repeat(tile, side)).save(stream, "JPEG", quality=100, exif=exif)
    return stream.getvalue()


def _png(pixels: Pixels) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _hash(pixels: Pixels) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()
