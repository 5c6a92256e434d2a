"""The same small picture in every form that people have."""

from __future__ import annotations

import atexit
import functools
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from cloformer.export.reference.cases import PHOTOGRAPH

__all__ = ["UNCOMMON", "encoded", "picture", "quarters", "turned_heic", "write_photographs"]

pillow_heif.register_heif_opener()  # to save them: what is tested reads them by itself

_ORIENTATION = 0x0112
# The form of a file, by the name that it is given here.
UNCOMMON = {
    "four inks.JPG": ("JPEG", "CMYK"), "palette.png": ("PNG", "P"), "moving.gif": ("GIF", "P"), "new.avif": ("AVIF", "RGB"),
    "phone.HEIC": ("HEIF", "RGB"), "bitmap.bmp": ("BMP", "RGB"), "web.webp": ("WEBP", "RGB"), "scan.tif": ("TIFF", "RGB"),
    "grey.pgm": ("PPM", "L"), "no ending": ("PNG", "RGB"), "no ending, HEIC": ("HEIF", "RGB"), "bitmap": ("BMP", "RGB"),
    "old.jp2": ("JPEG2000", "RGB"),
}  # fmt: skip


@functools.cache
def quarters() -> Path:
    """A folder with the four quarters of the photograph that comes with us, until the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="quarters-"))
    atexit.register(shutil.rmtree, folder)
    with Image.open(PHOTOGRAPH) as whole:
        width, height = whole.width // 2, whole.height // 2
        for left in (0, width):
            for top in (0, height):
                part = whole.crop((left, top, left + width, top + height))
                part.save(folder / f"{left}-{top}.png")
    return folder


def picture(width: int = 48, height: int = 36) -> Image.Image:
    """Red to the right, green downwards: every side differs."""
    rows, columns = np.mgrid[:height, :width]
    channels = (columns * 255 // width, rows * 255 // height, np.full((height, width), 60))
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def encoded(kind: str, mode: str = "RGB", **how: object) -> bytes:
    target = io.BytesIO()
    picture().convert(mode).save(target, kind, **how)
    return target.getvalue()


def turned_heic(path: Path, orientation: int) -> Image.Image:
    """As phones write them: the container says how it is turned, and so do the EXIF data. Returns what is to be seen."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    jpeg = io.BytesIO()
    picture().save(jpeg, "JPEG", quality=98, exif=exif)
    with Image.open(jpeg) as lying:
        lying.save(path, "HEIF", quality=98)
        return ImageOps.exif_transpose(lying)


def write_photographs(folder: Path) -> list[Path]:
    """One of each, some in folders below."""
    (folder / "below" / "deeper").mkdir(parents=True)
    paths = []
    for number, (name, (kind, mode)) in enumerate(UNCOMMON.items()):
        path = folder / ("", "below", "below/deeper")[number % 3] / name
        path.write_bytes(encoded(kind, mode))
        paths.append(path)
    return sorted(paths)
