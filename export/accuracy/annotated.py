"""Photographs with boxes, as COCO's instances say them: a JSON file of images, annotations and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cloformer.errors import InputError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import read_json
from cloformer.io.words import count

from ..source.preprocessing import upright_size

__all__ = ["Annotated", "read_annotated"]

_MOST_BYTES = 2**30
_MOST = 10_000_000  # entries of a list
_MOST_ID = 2**53  # what NumPy holds in float64, as pycocotools does
_LARGEST = 1e9
_ADVICE = 'give COCO\'s instances: {"images": [...], "annotations": [...], "categories": [...]}'


@dataclass(frozen=True)
class Annotated:
    """``images`` and their ``ids``, the names of ``categories`` by their numbers, in rising order, and all that pycocotools reads:
    annotations are numbered anew from 1, for it takes the number 0 for none."""

    name: str
    images: Sequence[Path]
    ids: Sequence[int]
    categories: Mapping[int, str]
    document: Mapping[str, list[dict[str, object]]]


def read_annotated(photographs: Path, file: Path) -> Annotated:
    """The images of ``file`` are in the folder ``photographs``; other photographs there are nobody's.

    Raises :class:`InputError`, with the entry, for an image that is not there or has another size, an annotation of an image or a
    category that is none, a box that ends before it begins, and a number that two have.
    """
    if not photographs.is_dir():
        raise InputError(
            f"{photographs} is no folder, and {file} names images in one", "give --data the folder"
        )
    try:
        fields = Fields(read_json(file, _MOST_BYTES, _ADVICE))
        images = [_image(item) for item in fields.objects("images", least=1, most=_MOST)]
        categories = dict(sorted(_numbered(fields.objects("categories", least=1, most=_MOST), "name")))
        of_images = _once([item["id"] for item in images], "images")
        annotations = [
            _annotation(item, number, of_images, categories)
            for number, item in enumerate(fields.objects("annotations", most=_MOST), 1)
        ]
    except FieldError as error:
        raise InputError(f"{file}: {error}", _ADVICE) from None
    paths = [photographs / str(item["file_name"]) for item in images]
    _refuse_others(paths, images, file)
    return Annotated(
        photographs.name,
        paths,
        list(of_images),
        categories,
        {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": number, "name": name} for number, name in categories.items()],
        },
    )


def _image(fields: Fields) -> dict[str, object]:
    name = fields.text("file_name", empty=False)
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise fields.error("file_name", f"{name[:80]!r} is not a path inside the folder")
    return {
        "id": fields.whole("id", 0, _MOST_ID),
        "file_name": name,
        "width": fields.whole("width", 1, 2**20),
        "height": fields.whole("height", 1, 2**20),
    }


def _numbered(entries: Sequence[Fields], word: str) -> list[tuple[int, str]]:
    found = [(item.whole("id", 0, _MOST_ID), item.text(word, empty=False)) for item in entries]
    _once([number for number, _ in found], "categories")
    return found


def _once(numbers: Sequence[object], of: str) -> dict[int, None]:
    """The numbers, none of which two have."""
    found: dict[int, None] = {}
    for place, number in enumerate(numbers):
        assert isinstance(number, int)
        if number in found:
            raise FieldError(f"{of}[{place}].id", f"is {number}, as another's is")
        found[number] = None
    return found


def _annotation(
    fields: Fields, number: int, images: Mapping[int, object], categories: Mapping[int, object]
) -> dict[str, object]:
    image, category = fields.whole("image_id", 0, _MOST_ID), fields.whole("category_id", 0, _MOST_ID)
    if image not in images:
        raise fields.error("image_id", f"is {image}, which no image has")
    if category not in categories:
        raise fields.error("category_id", f"is {category}, which no category has")
    box = fields.numbers("bbox", -_LARGEST, _LARGEST, most=4)
    if len(box) != 4:
        raise fields.error("bbox", f"has {count(box, 'number')}, not left, top, width and height")
    if box[2] < 0 or box[3] < 0:
        raise fields.error(
            "bbox", f"has the size {box[2]:g} x {box[3]:g}: COCO's boxes are left, top, width, height"
        )
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "area": fields.default("area", lambda name: fields.number(name, 0), box[2] * box[3]),
        "iscrowd": fields.default("iscrowd", lambda name: fields.whole(name, 0, 1), 0),
    }


def _refuse_others(paths: Sequence[Path], images: Sequence[Mapping[str, object]], file: Path) -> None:
    """:class:`InputError` for images that are not there, or are of another size."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(
            f"{file} names {count(missing, 'image')} of {len(paths)} that {'is' if len(missing) == 1 else 'are'} not there: "
            f"{missing[0]}",
            "give --data the folder of the photographs",
        )
    for place, (path, entry) in enumerate(zip(paths, images, strict=True)):
        said = entry["width"], entry["height"]
        try:
            found = upright_size(path)
        except InputError:  # it cannot be read, which is said where it is looked at
            continue
        if found != said:
            raise InputError(
                f"{file}: images[{place}] is {said[0]} x {said[1]} pixels, and {path} is {found[0]} x {found[1]}",
                "correct the entry, or give the photographs that it is of",
            )
