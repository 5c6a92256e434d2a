"""Images and labels as arrays: NumPy's .npz, and the idx files that MNIST came in. No number in them is believed.

Memory follows the size of the file: of what is packed, no more is unpacked than images can be packed to.
"""

from __future__ import annotations

import gzip
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt

from cloformer.errors import InputError
from cloformer.io.read import decoding, opened
from cloformer.io.words import count

__all__ = ["ADVICE", "Halves", "read_idx_folder", "read_npz"]

ADVICE = "give a folder with one per class under train/ and val/ (photos/train/cat/1.jpg), MNIST's idx files, or an .npz (see docs/training.md)"
_IDX = {"train": ("train",), "val": ("t10k", "test", "val")}
_KEYS = [f"{half}_{kind}" for half in ("train", "val") for kind in ("images", "labels")]
_PACKED = 50  # images, of one colour apart, are not packed to a smaller share
_SMALL = 2**28  # bytes that may be unpacked of any file
_BLOCK = 2**20
_LONGEST_SIDE = 65_535  # pixels

_Stream: TypeAlias = IO[bytes] | gzip.GzipFile
Array: TypeAlias = npt.NDArray[np.generic]
Halves: TypeAlias = Mapping[str, tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]]]


def read_npz(path: Path) -> Halves:
    """``train_images``, ``train_labels``, ``val_images``, ``val_labels``: one half of them, or both.

    :class:`InputError` for a file that is damaged, packed beyond reason, encrypted, or holds something else.
    """
    advice = "it is damaged or no .npz of arrays: copy or write it again"
    with opened(path, advice) as file, decoding(str(path), advice), zipfile.ZipFile(file) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        unpacked = sum(members[key].file_size for key in _KEYS if key in members)
        _refuse_bomb(unpacked, file)
        arrays = {key: _member(archive, members[key]) for key in _KEYS if key in members}
    found = {}
    for half in ("train", "val"):
        images, labels = (arrays.get(f"{half}_{kind}") for kind in ("images", "labels"))
        if images is not None and labels is not None:
            found[half] = _checked(f"{path} ({half})", images, labels)
    if "val" not in found:
        held = ", ".join(name[:40] for name in list(members)[:4])
        raise InputError(f"{path} has no val_images and val_labels, but {held or 'nothing'}", ADVICE)
    return found


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """An array, of the bytes that its header announces; :class:`ValueError` for another."""
    if member.flag_bits & 1:
        raise ValueError(f"{member.filename} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is packed in a way that NumPy does not write")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, is_fortran, dtype = read[version](stream)
        if dtype.kind not in "biuf":
            raise ValueError(f"{member.filename} holds {dtype}, and no numbers")
        size = math.prod(shape) * dtype.itemsize
        if not 0 <= size <= member.file_size:
            raise ValueError(f"{member.filename} announces {size} bytes and has {member.file_size}")
        data = _read_at_most(stream, size)
    values = np.frombuffer(data, dtype)
    return values.reshape(shape[::-1]).transpose() if is_fortran else values.reshape(shape)


def read_idx_folder(path: Path) -> Halves:
    """train-images-idx3-ubyte[.gz] and its companions; :class:`InputError` for what is missing or damaged."""
    found = {}
    for half, prefixes in _IDX.items():
        for prefix in prefixes:
            images, labels = (
                _either(path / f"{prefix}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")
            )
            if images is None:
                continue
            if labels is None:
                raise InputError(
                    f"{images} has no file of labels beside it", f"put {prefix}-labels-idx1-ubyte there"
                )
            found[half] = _checked(str(images), _read_idx(images, 3), _read_idx(labels, 1))
            break
    if "val" not in found:
        raise InputError(f"{path} has no t10k-images-idx3-ubyte", ADVICE)
    return found


def _either(path: Path) -> Path | None:
    return next((file for file in (path, path.with_name(path.name + ".gz")) if file.is_file()), None)


def _read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """The format of http://yann.lecun.com/exdb/mnist: two zeros, type 8, axes, then each length in four bytes."""
    advice = "download it again"
    with opened(path, advice) as file, decoding(str(path), advice):
        stream: _Stream = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
        head = stream.read(4 + 4 * axes)
        shape = [int.from_bytes(head[at : at + 4], "big") for at in range(4, len(head), 4)]
        size = math.prod(shape) if len(shape) == axes else 0
        if head[:4] != bytes([0, 0, 8, axes]) or not size:
            raise ValueError(f"it is no idx file of {axes} axes with 8-bit values")
        if stream is not file:
            _refuse_bomb(size, file)
        data = _read_at_most(stream, size + 1)
    if len(data) != size:
        more = "more than " if len(data) > size else ""
        raise InputError(f"{path} has {more}{min(len(data), size)} values, and {size} are announced", advice)
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_at_most(stream: _Stream, size: int) -> bytes:
    """So many bytes, or what there is: in blocks, for one read would take memory for all of them beforehand."""
    blocks = []
    while size and (block := stream.read(min(size, _BLOCK))):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)


def _refuse_bomb(unpacked: int, file: IO[bytes]) -> None:
    at = file.tell()
    packed = file.seek(0, 2)
    file.seek(at)
    if unpacked > max(_SMALL, _PACKED * packed):
        raise ValueError(f"its {packed} bytes unpack to {unpacked}, which no images do")


def _checked(
    name: str, pixels: Array, labels: Array
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]]:
    sides = pixels.shape[1:3]
    if (
        pixels.dtype != np.uint8
        or pixels.ndim not in (3, 4)
        or pixels.shape[3:] not in ((), (3,))
        or not all(0 < side <= _LONGEST_SIDE for side in sides)
    ):
        raise InputError(
            f"{name}: images are {pixels.dtype} of {pixels.shape}",
            "give uint8 of (count, height, width[, 3])",
        )
    if (
        labels.ndim != 1
        or not np.issubdtype(labels.dtype, np.integer)
        or not len(labels)
        or int(labels.min()) < 0
        or int(labels.max()) > np.iinfo(np.int64).max
    ):
        raise InputError(
            f"{name}: labels are {labels.dtype} of {labels.shape}",
            "give whole numbers from 0 on, of 64 bits at most",
        )
    if len(pixels) != len(labels):
        raise InputError(
            f"{name}: {count(len(labels), 'label')} for {count(len(pixels), 'image')}",
            "give a label for every image",
        )
    return pixels.view(np.uint8), labels.astype(np.int64)
