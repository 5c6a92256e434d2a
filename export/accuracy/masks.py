"""Photographs with masks: for each an image whose pixels are the numbers of classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cloformer.errors import InputError, UsageError
from cloformer.io.words import count

from ..source.arrays import Array
from ..source.images import LeftOut, collect_images, opened_image
from ..source.preprocessing import upright_size

__all__ = ["IGNORED", "Masked", "read_masked"]

IGNORED = 255  # of Pascal VOC, Cityscapes and ADE20K
_ADVICE = "a mask is a PNG of the photograph's size, each pixel the number of its class, from 0 on, in grey or by a palette"
_NUMBERS = ("1", "L", "P", "I", "I;16", "I;16B")  # Pillow's modes whose pixels are one number
_AT_ONCE = 256


@dataclass(frozen=True)
class Masked:
    """Photographs and their masks, in which ``ignored`` is what is in no figure. ``highest`` is the largest number of the others,
    and ``where`` the mask that has it."""

    name: str
    images: Sequence[Path]
    masks: Sequence[Path]
    ignored: int
    highest: int
    where: Path
    left_out: tuple[LeftOut, ...] = ()

    def mask(self, index: int) -> Array:
        """(height, width) in int64, upright as it is stored."""
        return _numbers(self.masks[index])


def read_masked(
    photographs: Path, masks: Path, *, ignored: int = IGNORED, say: Callable[[str], None] = lambda _: None
) -> Masked:
    """``photographs/a/b.jpg`` has the mask ``masks/a/b.png``. Every mask is decoded once, and ``say`` hears how far that is.

    Raises :class:`UsageError` where masks would be photographs, and :class:`InputError` for a photograph without a
    mask, a mask without a photograph, and a mask that is of another size, in colours, or damaged.
    """
    if photographs.resolve() in (masks.resolve(), *masks.resolve().parents):
        raise UsageError(
            f"--masks {masks} lies inside --data {photographs}, whose images would be photographs too",
            "put both side by side: --data set/photos --masks set/masks",
        )
    found = collect_images([photographs])
    beside = [
        masks / path.relative_to(photographs if photographs.is_dir() else path.parent).with_suffix(".png")
        for path in found.images
    ]
    _refuse_strays(found.images, beside, masks)
    highest, where = -1, beside[0]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(beside), _AT_ONCE):
            say(f"checking masks: {start} of {len(beside)}")
            part = slice(start, start + _AT_ONCE)
            for mask, largest in zip(
                beside[part], pool.map(lambda pair: _checked(pair[0], pair[1], ignored), zip(found.images[part], beside[part])), strict=True
            ):  # fmt: skip
                if largest > highest:
                    highest, where = largest, mask
    if highest < 0:
        raise InputError(f"every pixel of the masks in {masks} is {ignored}, which is not counted", _ADVICE)
    return Masked(photographs.name, found.images, beside, ignored, highest, where, found.left_out)


def _refuse_strays(images: Sequence[Path], beside: Sequence[Path], masks: Path) -> None:
    missing = [(image, mask) for image, mask in zip(images, beside, strict=True) if not mask.exists()]
    if missing:
        raise InputError(
            f"{count(missing, 'photograph')} of {len(images)} {'has' if len(missing) == 1 else 'have'} no mask: "
            f"{missing[0][0]} would have {missing[0][1]}",
            "give each photograph a mask, or take it out of --data",
        )
    known = set(beside)
    strays = [path for path in collect_images([masks]).images if path not in known]
    if strays:
        raise InputError(
            f"{count(strays, 'mask')} in {masks} {'is' if len(strays) == 1 else 'are'} of no photograph: {strays[0]}",
            "put the photographs into --data, or take the masks away",
        )


def _checked(image: Path, mask: Path, ignored: int) -> int:
    """The largest number in a mask that counts; -1 where none does."""
    numbers = _numbers(mask)
    try:
        across, down = upright_size(image)
    except InputError:  # the photograph cannot be read, which is said where it is looked at
        across, down = numbers.shape[1], numbers.shape[0]
    if (down, across) != numbers.shape:
        raise InputError(
            f"{mask} is {numbers.shape[1]} x {numbers.shape[0]} pixels, and {image} is {across} x {down}",
            _ADVICE,
        )
    counted = numbers[numbers != ignored]
    return int(counted.max()) if counted.size else -1


def _numbers(path: Path) -> Array:
    with opened_image(path) as image:
        if image.mode not in _NUMBERS:
            raise InputError(f"{path} has colours ({image.mode}), and no numbers of classes", _ADVICE)
        found: Array = np.asarray(image).astype(np.int64)
    return found
