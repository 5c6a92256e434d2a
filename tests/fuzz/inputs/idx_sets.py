"""Data sets in idx files, as MNIST's."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..bombs import gzip_bomb
from ..case import ANY, BAD, Place, Run, Trial
from ..sound import CLASSES, Sound, idx
from ..values import damage
from .set_commands import evaluated, reading

__all__ = ["drawn_idx", "listed_idx", "odd_idx"]

_GIB = 1 << 30
_IMAGES, _LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def _idx_set(place: Place) -> Path:
    """Unpacked, so that a file can be changed."""
    folder = place.copy(place.sound.data["idx"], "idx")
    for path in folder.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    return folder


def _idx(file: str, content: Callable[[bytes], bytes], codes: frozenset[int], what: str, place: Place) -> Run:
    folder = _idx_set(place)
    (folder / file).write_bytes(content((folder / file).read_bytes()))
    return Run(what, reading(place, "idx", named=True), codes)


def _idx_gz(content: Callable[[bytes], bytes], codes: frozenset[int], place: Place) -> Run:
    folder = _idx_set(place)
    data = (folder / _IMAGES).read_bytes()
    (folder / _IMAGES).unlink()
    (folder / f"{_IMAGES}.gz").write_bytes(content(data))
    return Run("", reading(place, "idx", named=True), codes)


def _announced(*sizes: int) -> Callable[[bytes], bytes]:
    head = bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)
    return lambda data: head + data[16:]


_HIGHEST = 0xFFFFFFFF
_IDX: dict[str, tuple[str, Callable[[bytes], bytes], frozenset[int]]] = {
    "empty": (_IMAGES, lambda data: b"", BAD),
    "four bytes": (_IMAGES, lambda data: data[:4], BAD),
    "a byte less": (_IMAGES, lambda data: data[:-1], BAD),
    "a byte more": (_IMAGES, lambda data: data + b"x", BAD),
    "2**96 values announced": (_IMAGES, _announced(_HIGHEST, _HIGHEST, _HIGHEST), BAD),
    "8 GiB announced": (_IMAGES, _announced(2048, 2048, 2048), BAD),
    "7 GiB announced": (_IMAGES, _announced(1792, 2048, 2048), BAD),
    "2 GiB announced": (_IMAGES, _announced(512, 2048, 2048), BAD),
    "images of no size announced": (_IMAGES, _announced(20, 0, 0), BAD),
    "no images announced": (_IMAGES, _announced(0, 12, 10), BAD),
    "another type": (_IMAGES, lambda data: b"\0\0\x0d\3" + data[4:], BAD),
    "255 axes": (_IMAGES, lambda data: b"\0\0\x08\xff" + data[4:], BAD),
    "text": (_IMAGES, lambda data: b"images\n" * 1000, BAD),
    "labels for images": (_IMAGES, lambda data: idx(np.zeros(20, np.uint8)), BAD),
    "4 GiB of labels announced": (
        _LABELS,
        lambda data: b"\0\0\x08\1" + _HIGHEST.to_bytes(4, "big") + data[8:],
        BAD,
    ),
    "a label more": (_LABELS, lambda data: idx(np.zeros(21, np.uint8)), BAD),
    "a label of 255": (_LABELS, lambda data: idx(np.full(20, 255, np.uint8)), BAD),
    "no labels": (_LABELS, lambda data: idx(np.zeros(0, np.uint8)), BAD),
}
_GZ: dict[str, tuple[Callable[[bytes], bytes], frozenset[int]]] = {
    "packed: empty": (lambda data: b"", BAD),
    "packed: not at all": (lambda data: data, BAD),
    "packed: half of it": (lambda data: gzip.compress(data)[: len(gzip.compress(data)) // 2], BAD),
    "packed: another sum": (lambda data: gzip.compress(data)[:-8] + bytes(8), BAD),
    "packed: damaged": (lambda data: gzip.compress(data)[:30] + b"\xff" * 50 + gzip.compress(data)[80:], BAD),
    "packed: something behind it": (lambda data: gzip.compress(data) + b"x" * 100, ANY),
    "packed: zeros, 5 GiB announced": (
        lambda data: gzip_bomb(_announced(1280, 2048, 2048)(data[:16]), 5 * _GIB),
        BAD,
    ),
    "packed: 8 GiB of zeros": (lambda data: gzip_bomb(data, 8 * _GIB), BAD),
    "packed: 4 GiB of zeros before it": (lambda data: gzip_bomb(b"", 4 * _GIB) + gzip.compress(data), BAD),
}


def _odd_idx(change: Callable[[Path], object], place: Place) -> Run:
    folder = _idx_set(place)
    change(folder)
    return evaluated(place, "idx")


def _pack(folder: Path) -> None:
    for path in folder.glob("*ubyte"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()


def _pack_twice(folder: Path) -> None:
    """In two members, as some tools write it."""
    path = folder / _IMAGES
    data = path.read_bytes()
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data[:100]) + gzip.compress(data[100:]))
    path.unlink()


_ODD_IDX: dict[str, Callable[[Path], object]] = {
    "idx, unpacked": lambda folder: None,
    "idx, packed": _pack,
    "idx, packed in two": _pack_twice,
    "idx, with other files": lambda folder: (folder / "README").write_text("about", "utf-8"),
    "idx, validation alone": lambda folder: [path.unlink() for path in folder.glob("train-*")],
    "idx, names with a byte order mark": lambda folder: (folder / "labels.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(CLASSES).encode()),
}  # fmt: skip


def listed_idx(sound: Sound) -> Sequence[Trial]:
    """Files whose headers lie, for two commands each; and packed ones."""
    trials = [
        Trial(f"idx: {name}, {turn}", partial(_idx, file, content, codes, ""))
        for turn in range(2)
        for name, (file, content, codes) in _IDX.items()
    ]
    return trials + [Trial(f"idx: {name}", partial(_idx_gz, *row)) for name, row in _GZ.items()]


def drawn_idx(place: Place) -> Run:
    """Damaged bytes."""
    what = ""

    def content(data: bytes) -> bytes:
        nonlocal what
        changed, what = damage(data, place.random)
        return changed

    run = _idx(place.pick((_IMAGES, _LABELS)), content, ANY, "", place)
    return replace(run, what=what)


def odd_idx(sound: Sound) -> Sequence[Trial]:
    """Sound ones."""
    return [Trial(name, partial(_odd_idx, change)) for name, change in _ODD_IDX.items()]
