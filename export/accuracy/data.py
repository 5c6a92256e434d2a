"""Images with classes: folders of files, idx files as MNIST's, or arrays. Whatever is wrong is found before training."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from cloformer.errors import InputError
from cloformer.io.words import count

from ..source.images import LeftOut, is_hidden, is_image
from ..source.labels import check_names, read_labels
from ..source.preprocessing import load_image
from .arrays import ADVICE, Halves, read_idx_folder, read_npz

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Dataset", "Images", "check_images", "read_dataset"]

_VALIDATION = ("val", "validation", "valid", "test")
_AT_ONCE = 1000
_MOST_CLASSES = 100_000


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
    whether somebody gave them, or they are the numbers. ``left_out`` is what is no image in folders of images."""

    name: str
    train: Images | None
    val: Images
    classes: tuple[str, ...]
    named: bool = True
    left_out: tuple[LeftOut, ...] = ()

    @property
    def to_train(self) -> Images:
        """:class:`InputError` if there are none."""
        if self.train is None:
            raise InputError(f"{self.name} has images to validate on, and none to train on", ADVICE)
        return self.train


def read_dataset(path: Path, labels: Path | None = None) -> Dataset:
    """What ``path`` holds. ``labels`` names the classes of a set that has numbers alone.

    Raises :class:`InputError` for what is missing, empty, truncated, or contradicts itself.
    """
    try:
        return _read(path, labels)
    except OSError as error:
        raise InputError(f"{error.filename or path} cannot be read: {error.strerror}", ADVICE) from None


def _read(path: Path, labels: Path | None) -> Dataset:
    if path.suffix == ".npz" and path.is_file():
        found = read_npz(path)
    elif not path.is_dir():
        raise InputError(
            f"{path} is a file, and no .npz" if path.is_file() else f"there is no data set {path}", ADVICE
        )
    elif any("idx3-ubyte" in file.name for file in path.iterdir()):
        found = read_idx_folder(path)
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
        classes, images, left_out = _folder(path)  # images to evaluate on
        return Dataset(path.name, None, images, classes, left_out=left_out)
    if val is None:
        raise InputError(
            f"{path} has train/ but no val/", "put some images of every class under val/ as well"
        )
    val_classes, val_images, left_out = _folder(val)
    if not train.is_dir():
        return Dataset(path.name, None, val_images, val_classes, left_out=left_out)
    classes, images, more = _folder(train)
    if classes != val_classes:
        name = sorted(set(classes) ^ set(val_classes))[0]
        place, other = (train, val) if name in classes else (val, train)
        raise InputError(f"the class {name!r} is in {place} and not in {other}", "give both the same classes")
    return Dataset(path.name, images, val_images, classes, left_out=(*more, *left_out))


def _folder(path: Path) -> tuple[tuple[str, ...], FileImages, tuple[LeftOut, ...]]:
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(folders) < 2:
        raise InputError(f"{path} has {count(folders, 'class folder')}, and at least 2 are needed", ADVICE)
    files = {folder.name: sorted(_files(folder)) for folder in folders}
    try:
        check_names(list(files))
    except ValueError as error:
        raise InputError(f"{path}: a folder's name is no name of a class: {error}", "rename it") from None
    alike = Counter(" ".join(name.casefold().split()) for name in files)
    for name in files:
        if alike[" ".join(name.casefold().split())] > 1:
            raise InputError(
                f"{path} has two classes that are called {name.strip()!r}", "rename one, or join them"
            )
    by_class = {name: [file for file in each if is_image(file)] for name, each in files.items()}
    for name, images in by_class.items():
        if not images:
            state = "has no image" if files[name] else "is empty"
            raise InputError(f"the class folder {path / name} {state}", "put images in, or remove the folder")
    paths = [image for images in by_class.values() for image in images]
    numbers = [number for number, images in enumerate(by_class.values()) for _ in images]
    others = sorted({file for each in files.values() for file in each} - set(paths))
    left_out = LeftOut(path, tuple(file.relative_to(path).as_posix() for file in others))
    return tuple(by_class), FileImages(paths, numbers), (left_out,) if others else ()


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if is_hidden(entry.name):
            continue
        if entry.is_dir():
            raise InputError(f"{entry} is a folder in a class folder", ADVICE)
        yield entry


def _named(path: Path, found: Halves, labels: Path | None) -> Dataset:
    """Numbers get names: those of ``labels``, or of labels.txt beside the data, or themselves."""
    beside = path / "labels.txt"
    given = labels if labels is not None else beside if path.is_dir() and beside.is_file() else None
    highest = max(int(numbers.max()) for _, numbers in found.values())
    if highest >= _MOST_CLASSES:
        raise InputError(
            f"{path} has class {highest}, and {_MOST_CLASSES} classes are the most",
            "number classes from 0 on",
        )
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
                raise InputError(f"{path} has no training image of class {number}, {name!r}", ADVICE)
    return Dataset(
        path.stem if path.is_file() else path.name,
        halves.get("train"),
        halves["val"],
        names,
        given is not None,
    )
