"""Images with classes: folders of files, idx files as MNIST's, or arrays. Whatever is wrong is found before training."""

from __future__ import annotations

import gzip
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from cloformer.errors import InputError
from cloformer.export.source.arrays import Array
from cloformer.export.source.labels import read_labels
from cloformer.export.source.preprocessing import load_image

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Dataset", "Images", "check_images", "read_dataset"]

_JUNK = {"thumbs.db", "desktop.ini"}  # what file managers leave behind
_VALIDATION = ("val", "validation", "valid", "test")
_IDX = {"train": ("train",), "val": ("t10k", "test", "val")}
_AT_ONCE = 1000
_MAX_BYTES = 8 * 2**30  # of an unpacked array
_ADVICE = (
    "one folder per class under train/ and val/, or MNIST's idx files, or an .npz (see docs/training.md)"
)


class Images(Protocol):
    """Numbered images, each with its class."""

    @property
    def labels(self) -> Sequence[int]: ...

    def load(self, index: int) -> Image.Image:
        """In RGB, upright; :class:`InputError` if it cannot be read."""
        ...

    def where(self, index: int) -> str:
        """What a person would look for."""
        ...


@dataclass(frozen=True)
class FileImages:
    """A file each."""

    paths: Sequence[Path]
    labels: Sequence[int]

    def load(self, index: int) -> Image.Image:
        return load_image(self.paths[index])

    def where(self, index: int) -> str:
        return str(self.paths[index])


@dataclass(frozen=True)
class ArrayImages:
    """(count, height, width) or (count, height, width, 3), 8 bits."""

    name: str
    pixels: npt.NDArray[np.uint8]
    labels: Sequence[int]

    def load(self, index: int) -> Image.Image:
        from PIL import Image

        return Image.fromarray(self.pixels[index]).convert("RGB")

    def where(self, index: int) -> str:
        return f"image {index} of {self.name}"


@dataclass(frozen=True)
class Dataset:
    """``train`` is None where there are only images to evaluate on. ``classes`` are names, by number; ``named`` says
    whether somebody gave them, or they are the numbers."""

    name: str
    train: Images | None
    val: Images
    classes: tuple[str, ...]
    named: bool = True


def read_dataset(path: Path, labels: Path | None = None) -> Dataset:
    """What ``path`` holds. ``labels`` names the classes of a set that has numbers alone.

    Raises :class:`InputError` for what is missing, empty, truncated, or contradicts itself.
    """
    if path.suffix == ".npz" and path.is_file():
        found = _arrays(path)
    elif not path.is_dir():
        raise InputError(f"there is no data set {path}", _ADVICE)
    elif any("idx3-ubyte" in file.name for file in path.iterdir()):
        found = _idx(path)
    else:
        if labels is not None:
            raise InputError(
                "--labels is for sets that have numbers alone: folders have names", "leave --labels out"
            )
        return _folders(path)
    return _named(path, found, labels)


def check_images(images: Images, say: Callable[[str], None], process: int = 0, processes: int = 1) -> None:
    """Decode every one, or this process's share of them; :class:`InputError` for the first that cannot be. ``say``
    hears how far it is."""
    if isinstance(images, ArrayImages):
        return
    mine = range(process, len(images.labels), processes)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # By the hundred: what waits is not kept in memory, and an error is not waited for long.
        for start in range(0, len(mine), _AT_ONCE):
            say(f"checking images: {start} of {len(mine)}")
            for _ in pool.map(lambda index: images.load(index).size, mine[start : start + _AT_ONCE]):
                pass


def _folders(path: Path) -> Dataset:
    """Classes are the folders' names, in order."""
    train = path / "train"
    val = next((path / name for name in _VALIDATION if (path / name).is_dir()), None)
    if not train.is_dir() and val is None:
        classes, images = _folder(path)  # images to evaluate on
        return Dataset(path.name, None, images, classes)
    if val is None:
        raise InputError(
            f"{path} has train/ but no val/", "put some images of every class under val/ as well"
        )
    val_classes, val_images = _folder(val)
    if not train.is_dir():
        return Dataset(path.name, None, val_images, val_classes)
    classes, images = _folder(train)
    if classes != val_classes:
        name = sorted(set(classes) ^ set(val_classes))[0]
        place, other = (train, val) if name in classes else (val, train)
        raise InputError(f"the class {name!r} is in {place} and not in {other}", "give both the same classes")
    return Dataset(path.name, images, val_images, classes)


def _folder(path: Path) -> tuple[tuple[str, ...], FileImages]:
    try:
        folders = sorted(
            entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")
        )
        by_class = {folder.name: sorted(_files(folder)) for folder in folders}
    except OSError as error:
        raise InputError(f"{error.filename or path} cannot be read: {error.strerror}", _ADVICE) from None
    if len(by_class) < 2:
        raise InputError(f"{path} has {len(by_class)} class folders, and at least 2 are needed", _ADVICE)
    alike = Counter(" ".join(name.casefold().split()) for name in by_class)
    for name in by_class:
        if alike[" ".join(name.casefold().split())] > 1:
            raise InputError(
                f"{path} has two classes that are called {name.strip()!r}", "rename one, or join them"
            )
    for name, files in by_class.items():
        if not files:
            raise InputError(
                f"the class folder {path / name} is empty", "put images in, or remove the folder"
            )
    paths = [file for files in by_class.values() for file in files]
    numbers = [number for number, files in enumerate(by_class.values()) for _ in files]
    return tuple(by_class), FileImages(paths, numbers)


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name.lower() in _JUNK:
            continue
        if entry.is_dir():
            raise InputError(f"{entry} is a folder in a class folder", _ADVICE)
        yield entry


_Halves = Mapping[str, tuple[Array, Array]]


def _named(path: Path, found: _Halves, labels: Path | None) -> Dataset:
    """Numbers get names: those of ``labels``, or of labels.txt beside the data, or themselves."""
    beside = path / "labels.txt"
    given = labels if labels is not None else beside if path.is_dir() and beside.is_file() else None
    highest = max(int(numbers.max()) for _, numbers in found.values())
    names = read_labels(given) if given is not None else tuple(str(number) for number in range(highest + 1))
    if highest >= len(names):
        raise InputError(
            f"{path} has class {highest}, and {given} names only {len(names)} (the first is class 0)",
            "give one name a line for every class",
        )
    halves = {
        half: ArrayImages(f"{path} ({half})", pixels, numbers.tolist())
        for half, (pixels, numbers) in found.items()
    }
    if "train" in halves:
        there = set(halves["train"].labels)
        for number, name in enumerate(names):
            if number not in there:
                raise InputError(f"{path} has no training image of class {number}, {name!r}", _ADVICE)
    return Dataset(
        path.stem if path.is_file() else path.name,
        halves.get("train"),
        halves["val"],
        names,
        given is not None,
    )


def _checked(name: str, pixels: Array, labels: Array) -> tuple[Array, Array]:
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or pixels.shape[3:] not in ((), (3,)):
        raise InputError(
            f"{name}: images are {pixels.dtype} of {pixels.shape}",
            "give uint8 of (count, height, width[, 3])",
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels) or labels.min() < 0:
        raise InputError(
            f"{name}: labels are {labels.dtype} of {labels.shape}", "give whole numbers from 0 on"
        )
    if len(pixels) != len(labels):
        raise InputError(
            f"{name}: {len(pixels)} images have {len(labels)} labels", "give a label for every image"
        )
    return pixels, labels


def _arrays(path: Path) -> _Halves:
    """``train_images``, ``train_labels``, ``val_images``, ``val_labels`` of an .npz."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}", "give a whole .npz without objects") from None
    found = {}
    for half in ("train", "val"):
        keys = f"{half}_images", f"{half}_labels"
        if all(key in arrays for key in keys):
            found[half] = _checked(f"{path} ({half})", *(arrays[key] for key in keys))
    if "val" not in found:
        raise InputError(f"{path} has no val_images and val_labels, but {', '.join(arrays)[:100]}", _ADVICE)
    return found


def _idx(path: Path) -> _Halves:
    """train-images-idx3-ubyte[.gz] and its companions."""
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
        raise InputError(f"{path} has no t10k-images-idx3-ubyte", _ADVICE)
    return found


def _either(path: Path) -> Path | None:
    return next((file for file in (path, path.with_name(path.name + ".gz")) if file.is_file()), None)


def _read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """The format of http://yann.lecun.com/exdb/mnist: two zeros, type 8, axes, then each length in four bytes."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * axes)
            shape = [int.from_bytes(head[at : at + 4], "big") for at in range(4, len(head), 4)]
            size = int(np.prod(shape, dtype=object)) if len(shape) == axes else 0
            if head[:4] != bytes([0, 0, 8, axes]) or not 0 < size <= _MAX_BYTES:
                raise ValueError(f"it is no idx file of {axes} axes with 8-bit values")
            data = file.read(size + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}", "download it again") from None
    if len(data) != size:
        more = "more than " if len(data) > size else ""
        raise InputError(
            f"{path} has {more}{min(len(data), size)} values, and {size} are announced", "download it again"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)
