"""Images that models are judged on: a data set as it is trained on, a folder with labels.json, or images without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloformer.errors import InputError, UsageError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import read_json
from cloformer.io.words import count

from ..source.images import LeftOut, collect_images, is_hidden
from .data import Dataset, FileImages, Images, read_dataset

__all__ = ["LABELS", "Judged", "read_judged"]

LABELS = "labels.json"
_MAX_BYTES = 2**26
_MOST_CLASSES = 100_000
_ADVICE = 'write {"photo.jpg": 207} into it: for each image the number of its class, from 0 on'


@dataclass(frozen=True)
class Judged:
    """``images`` are numbered; ``labels`` are the numbers of their classes, None where nobody says what they show. ``classes``
    are the names of these numbers, None where the numbers are the model's own; ``named`` says whether somebody gave the names,
    or they are the numbers. ``left_out`` is what is no image."""

    name: str
    images: Images
    count: int
    labels: Sequence[int] | None
    classes: tuple[str, ...] | None = None
    named: bool = False
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def of(cls, data: Dataset) -> Judged:
        """The validation images of a data set."""
        labels = data.val.labels
        return cls(data.name, data.val, len(labels), labels, data.classes, data.named, data.left_out)

    def labelled_for(self, option: str) -> Sequence[int]:
        """The labels, which ``option`` needs; :class:`UsageError` where there are none."""
        if self.labels is None:
            raise UsageError(
                f"{option} needs labels, and nobody says what the images in {self.name} show",
                "put them into a folder per class, or their numbers into labels.json; "
                "--min-agreement and --min-snr need no labels",
            )
        return self.labels


def read_judged(path: Path, labels: Path | None = None) -> Judged:
    """What ``path`` holds: a data set, as :func:`.data.read_dataset` takes it, or a folder of images, with their classes' numbers in
    labels.json or without any. ``labels`` names the classes of a data set that has numbers alone.

    Raises :class:`InputError` for what is missing, empty, or contradicts itself.
    """
    if not path.is_dir() or not _is_plain(path):
        return Judged.of(read_dataset(path, labels))
    if labels is not None:
        raise InputError(
            f"--labels names the classes of data sets that have numbers alone, and {path} has images alone",
            "leave --labels out",
        )
    found = collect_images([path])
    if not os.path.lexists(path / LABELS):  # a link to nothing is labels that cannot be read
        images = FileImages(found.images, ())
        return Judged(path.name, images, len(found.images), None, left_out=found.left_out)
    given = _read_labels(path / LABELS)
    names = [image.relative_to(path).as_posix() for image in found.images]
    _refuse_another(path, names, list(given))
    numbers = [given[name] for name in names]
    left_out = tuple(filter(None, map(_without_labels, found.left_out)))
    return Judged(path.name, FileImages(found.images, numbers), len(numbers), numbers, left_out=left_out)


def _is_plain(path: Path) -> bool:
    """Whether it is no data set: there is no folder in it, and no file of MNIST's kind."""
    try:
        inside = [item for item in path.iterdir() if not is_hidden(item.name)]
    except OSError:
        return False
    return not any(item.is_dir() or "idx3-ubyte" in item.name for item in inside)


def _read_labels(path: Path) -> dict[str, int]:
    """The class of each image by the image's path; {"photo.jpg": 207} or {"photo.jpg": {"index": 207}}, and what else is there."""
    document = read_json(path, _MAX_BYTES, _ADVICE)
    try:
        fields = Fields(document)
        assert isinstance(document, dict)  # or Fields would have raised
        return {
            name: fields.child(name).whole("index", 0, _MOST_CLASSES)
            if isinstance(value, dict)
            else fields.whole(name, 0, _MOST_CLASSES)
            for name, value in document.items()
        }
    except FieldError as error:
        raise InputError(f"{path}: {error}", _ADVICE) from None


def _refuse_another(path: Path, images: Sequence[str], labelled: Sequence[str]) -> None:
    """:class:`InputError` unless every image has a label, and every label an image."""
    without = sorted(set(images) - set(labelled))
    if without:
        raise InputError(
            f"{path / LABELS} says nothing of {count(without, 'image')} of {len(images)}: {_some(without)}",
            "add the numbers of their classes, or remove the images",
        )
    missing = sorted(set(labelled) - set(images))
    if missing:
        raise InputError(
            f"{path / LABELS} names {count(missing, 'image')} that {'is' if len(missing) == 1 else 'are'} not in {path}: "
            f"{_some(missing)}",
            "put the images there, or remove their lines",
        )


def _without_labels(left_out: LeftOut) -> LeftOut | None:
    """What is left out beside the labels; None if it is nothing."""
    files = tuple(name for name in left_out.files if name != LABELS)
    return LeftOut(left_out.folder, files) if files else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
