"""Which files are images, and how one is opened: the same for every command that takes photographs.

A file in a folder is an image if its name ends like one's, so that one which is damaged is not passed over, or if its
first bytes are those of an image's format, whatever it is called. The others are named. A file that is given by itself is
opened whatever it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from cloformer.errors import CloformerError, InputError, MissingRuntimeError
from cloformer.io.read import decoding, opened
from cloformer.io.words import bounded, plain

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "ADVICE",
    "MAX_PIXELS",
    "Collected",
    "LeftOut",
    "Unreadable",
    "attempts",
    "collect_images",
    "is_hidden",
    "is_image",
    "opened_image",
    "refuse_none",
]

ADVICE = "give a whole JPEG, PNG, HEIC, AVIF, WebP, GIF, TIFF or BMP file"
# Pillow's own limit against decompression bombs, which training code likes to switch off for the process.
MAX_PIXELS = 178_956_970

_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
    ".avif", ".avifs", ".heic", ".heif", ".heics", ".heifs", ".hif",
    ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".psd", ".qoi",
))  # fmt: skip
# The first bytes of formats, by the place where they stand.
_BEGINNINGS = (
    (0, b"\xff\xd8\xff"), (0, b"\x89PNG\r\n\x1a\n"), (0, b"GIF87a"), (0, b"GIF89a"), (8, b"WEBP"),
    (0, b"II*\x00"), (0, b"MM\x00*"), (0, b"II+\x00"), (0, b"MM\x00+"),
    (0, b"\x00\x00\x00\x0cjP  "), (0, b"\xff\x4f\xff\x51"), (0, b"8BPS"), (0, b"qoif"),
)  # fmt: skip
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_EITHER = {b"mif1", b"msf1"}  # a container of either; the brands after it say which
_HEAD = 64  # bytes that are looked at
_JUNK = {"thumbs.db", "desktop.ini"}  # what file managers leave behind
_NAMED = 5  # files that are left out and said by name
_PREVIEW = 254  # the tag of a TIFF that is 1 where its first picture is a small one
_DNG = 50706  # the tag that cameras' raw files have, which are TIFFs
_RAW = "it is a camera's raw file, of which only a small preview would be read"

_Image = TypeVar("_Image")
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class LeftOut:
    """What is no image in a folder that was given: paths below it."""

    folder: Path
    files: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.files[:_NAMED]) + (", ..." if len(self.files) > _NAMED else "")
        what = (
            "1 file that is no image"
            if len(self.files) == 1
            else f"{len(self.files):,} files that are no images"
        )
        return plain(f"left out of {self.folder}: {what} ({shown})")

    def to_json(self) -> dict[str, object]:
        return {"folder": str(self.folder), "files": list(self.files)}


@dataclass(frozen=True)
class Collected:
    """The images that were given, and what was beside them in folders."""

    images: tuple[Path, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be read, where it is, and what was raised."""

    image: str
    error: CloformerError

    @property
    def reason(self) -> str:
        """One line, with the image in it: of one that is read and cannot be cropped, the error does not know the place."""
        line = self.error.lines[0]
        return line if plain(self.image) in line else bounded(f"image {self.image}: {line}")

    def to_json(self) -> dict[str, object]:
        return {"image": self.image, "reason": self.reason}


def collect_images(paths: Sequence[Path]) -> Collected:
    """The files, and the images in the folders and in the folders in these, in the order of their names, each once.

    Hidden files are passed over. :class:`InputError` for what does not exist, and for a folder without any image.
    """
    images: list[Path] = []
    left_out = []
    for path in paths:
        if not path.exists():
            parts = [part for part in re.split(r"[,;\s]+", str(path)) if part]
            several = len(parts) > 1 and all(Path(part).exists() for part in parts)
            raise InputError(
                f"there is no file or folder {path}",
                "give each by itself: " + shlex.join(parts)
                if several
                else "give photographs, or folders of them",
            )
        if not path.is_dir():
            images.append(path)
            continue
        inside = _files(path)
        found = dict.fromkeys(item for item in inside if is_image(item))
        others = tuple(item.relative_to(path).as_posix() for item in inside if item not in found)
        if not found:
            more = f"; {LeftOut(path, others)}" if others else ""
            raise InputError(f"there is no image in {path}{more}", ADVICE)
        images += found
        left_out += [LeftOut(path, others)] if others else []
    return Collected(tuple(dict.fromkeys(images)), tuple(left_out))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is the system's, and nobody's photograph."""
    return name.startswith(".") or name.lower() in _JUNK


def is_image(path: Path) -> bool:
    """By the end of its name, or else by its first bytes."""
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        with opened(path, ADVICE) as file:
            return _begins_like_one(file.read(_HEAD))
    except InputError:  # no file, or one that cannot be read
        return False


def attempts(
    images: Sequence[_Image], read: Callable[[_Image], _Read], where: Callable[[_Image], str] = str
) -> Iterator[_Read | Unreadable]:
    """What ``read`` gives for each image, one at a time; a bad one does not stop the others. ``where`` is what a person
    would look for."""
    return (_attempt(image, read, where) for image in images)


def refuse_none(unreadable: Sequence[Unreadable]) -> None:
    """The error for images none of which can be read: the first one's."""
    first = unreadable[0].error
    if len(unreadable) == 1:
        raise first
    what = f"none of {len(unreadable)} images can be read; the first: {first.lines[0]}"
    raise type(first)(what, *first.lines[1:], details={"unreadable": [item.to_json() for item in unreadable]})


@contextlib.contextmanager
def opened_image(path: Path) -> Iterator[Image.Image]:
    """The image at ``path``, opened and not yet decoded. Whatever a decoder raises in the block is an
    :class:`InputError`; :class:`MissingRuntimeError` names the package that a format needs."""
    from PIL import ImageFile, UnidentifiedImageError

    half_images_too = ImageFile.LOAD_TRUNCATED_IMAGES  # training code sets this for the whole process
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with (
            opened(path, ADVICE) as file,
            decoding(f"image {path}", ADVICE),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # of large images and odd tags; what matters is an error
            head = file.read(_HEAD)
            file.seek(0)
            with _decoder(path, file, head) as image:
                _refuse(image)
                yield image
    except InputError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):  # which names the open file
            raise InputError(f"image {path} cannot be read: no image format begins like it", ADVICE) from None
        raise
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = half_images_too


def _attempt(
    image: _Image, read: Callable[[_Image], _Read], where: Callable[[_Image], str]
) -> _Read | Unreadable:
    try:
        return read(image)
    except (InputError, MissingRuntimeError) as error:
        return Unreadable(where(image), error)


def _decoder(path: Path, file: BinaryIO, head: bytes) -> Image.Image:
    """The image by its format's decoder. HEIC is no part of Pillow: a package of its own turns it upright as it decodes it,
    and leaves no orientation to be followed once more."""
    from PIL import Image, features

    if head.startswith(b"II*\0") and head[8:10] == b"CR":
        raise ValueError(_RAW)
    kind = _container(head)
    if kind == "HEIC":
        try:
            from pillow_heif import HeifImageFile
        except ImportError:
            raise MissingRuntimeError(
                f"image {path} is HEIC, which needs pillow-heif: pip install 'cloformer[heic]'",
                "or save it as JPEG or PNG",
            ) from None
        found: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
        return found
    if kind == "AVIF" and not features.check("avif"):
        raise MissingRuntimeError(
            f"image {path} is AVIF, which needs a newer Pillow: pip install 'pillow>=11.3'",
            "or save it as JPEG or PNG",
        )
    return Image.open(file)


def _refuse(image: Image.Image) -> None:
    """:class:`ValueError` for what would be no photograph once it is decoded, or would take the memory."""
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}")
    if image.format == "EPS":
        raise ValueError("it is a PostScript program, which is not run")
    tags = getattr(image, "tag_v2", {})
    if image.format == "TIFF" and (_DNG in tags or tags.get(_PREVIEW) == 1):
        raise ValueError(_RAW)


def _begins_like_one(head: bytes) -> bool:
    if any(head.startswith(bytes_, place) for place, bytes_ in _BEGINNINGS):
        return True
    is_bitmap = head.startswith(b"BM") and head[6:10] == bytes(4) and head[15:18] == bytes(3)
    is_netpbm = (
        head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace() and b"0" <= head[3:4] <= b"9"
    )
    return is_bitmap or is_netpbm or _container(head) is not None


def _container(head: bytes) -> str | None:
    """Which of the two formats that share a container: by the first of its brands that says so."""
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, end, 4))]
    if brands[0] not in _AVIF | _HEIC | _EITHER:
        return None
    return next(
        (name for brand in brands for name, known in (("AVIF", _AVIF), ("HEIC", _HEIC)) if brand in known),
        "HEIC",
    )


def _files(folder: Path) -> list[Path]:
    """All below it but what is hidden, in the order of their paths; a folder that links lead to again is gone through
    once."""
    found: list[Path] = []
    waiting, seen = [folder], set()
    while waiting:
        current = waiting.pop()
        try:
            there = current.stat()
            if (there.st_dev, there.st_ino) in seen:
                continue
            seen.add((there.st_dev, there.st_ino))
            with os.scandir(current) as entries:
                shown = [entry for entry in entries if not is_hidden(entry.name)]
        except OSError as error:
            raise InputError(f"{current} cannot be read: {error.strerror}", "give another folder") from None
        waiting += [current / entry.name for entry in shown if entry.is_dir()]
        found += [current / entry.name for entry in shown if not entry.is_dir()]
    return sorted(found)
