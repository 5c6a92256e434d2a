"""Data sets in folders of images, one for each class."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..case import ANY, BAD, REFUSED, Place, Run, Trial
from ..sound import Sound
from ..values import NAMES, damage
from .set_commands import evaluated, reading

__all__ = ["drawn_folders", "listed_folders", "odd_folders"]


def _folders(change: Callable[[Path, Place], object], codes: frozenset[int], place: Place) -> Run:
    folder = place.copy(place.sound.data["folders"], "photos")
    change(folder, place)
    return Run("", reading(place, "photos", named=True), codes)


def _file(name: str, data: bytes) -> Callable[[Path, Place], object]:
    return lambda folder, place: (folder / name).write_bytes(data)


def _class(name: str) -> Callable[[Path, Place], object]:
    """A class of that name, where ant was."""

    def change(folder: Path, place: Place) -> None:
        for half in ("train", "val"):
            (folder / half / "ant").rename(folder / half / name.replace("/", "|"))

    return change


def _image(name: str) -> Callable[[Path, Place], object]:
    """An image of that name that is none."""
    return lambda folder, place: (
        folder / "val" / "ant" / (name.replace("/", "|")[:200] + ".png")
    ).write_bytes(b"none")


def _link(target: str) -> Callable[[Path, Place], object]:
    def change(folder: Path, place: Place) -> None:
        path = folder / "val" / "ant" / "0.png"
        path.unlink()
        path.symlink_to(target)

    return change


_FOLDERS: dict[str, tuple[Callable[[Path, Place], object], frozenset[int]]] = {
    "an empty image": (_file("val/ant/0.png", b""), BAD),
    "an image of text": (_file("val/ant/0.png", b"image"), BAD),
    "an image with a byte order mark": (_file("val/ant/a.png", b"\xef\xbb\xbf"), BAD),
    "an empty class": (lambda folder, place: (folder / "val" / "ant" / "0.png").unlink(), BAD),
    "a class less": (lambda folder, place: shutil.rmtree(folder / "val" / "ant"), REFUSED),
    "a class more": (lambda folder, place: shutil.copytree(folder / "val" / "ant", folder / "val" / "bug"), REFUSED),
    "a folder in a class": (lambda folder, place: (folder / "val" / "ant" / "more").mkdir(), BAD),
    "no classes": (lambda folder, place: shutil.rmtree(folder / "val"), REFUSED),
    "classes that differ by their capitals": (lambda folder, place: shutil.copytree(folder / "val" / "ant", folder / "val" / "ANT"), BAD),
    "a class that is a file": (lambda folder, place: (shutil.rmtree(folder / "val" / "ant"), (folder / "val" / "ant").write_bytes(b"")), REFUSED),
    "a class that is a link to itself": (lambda folder, place: (folder / "val" / "loop").symlink_to("loop"), ANY),
    "a class that is a link to its folder": (lambda folder, place: (folder / "val" / "again").symlink_to("."), REFUSED),
    "an image that is a link to nothing": (_link("nothing"), BAD),
    "an image that is a link to a device": (_link("/dev/zero"), BAD),
    "an image that is a link to a text": (_link("/etc/passwd"), BAD),
    "no permission": (lambda folder, place: (folder / "val" / "ant").chmod(0), BAD),
    **{f"a class called: {value.name}": (_class(value.value[:200]), REFUSED) for value in NAMES if value.name != "a blank"},
    **{f"a broken image called: {value.name}": (_image(value.value), BAD) for value in NAMES},
    "a class called: no UTF-8": (_class(b"a\xff\xfe".decode("utf-8", "surrogateescape")), REFUSED),
    "a broken image called: no UTF-8": (_image(b"a\xff\xfe".decode("utf-8", "surrogateescape")), BAD),
}  # fmt: skip


def _of_folders(change: Callable[[Path, Place], object], codes: frozenset[int], place: Place) -> Run:
    run = _folders(change, codes, place)
    # Training wants images to train on, too, and evaluation knows the classes by their names: what is harmless to
    # one may be refused by the other.
    return Run(run.what, run.arguments, codes | REFUSED if run.arguments[0] == "train" else codes)


def _odd_folders(change: Callable[[Path], object], data: str, place: Place) -> Run:
    folder = place.copy(place.sound.data["folders"], "photos")
    change(folder)
    return evaluated(place, data)


def _as(mode: str, name: str, **how: Any) -> Callable[[Path], object]:
    """One image in another form."""

    def change(folder: Path) -> None:
        from PIL import Image

        path = folder / "val" / "ant" / "0.png"
        with Image.open(path) as image:
            converted = image.convert(mode)
        path.unlink()
        converted.save(path.with_name(name), **how)

    return change


def _more(name: str, data: bytes = b"x") -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / "val" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "val" / name).write_bytes(data)

    return change


def _renamed(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "val" / "ant" / "0.png").rename(folder / "val" / "ant" / name)


_ODD_FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "folders": (lambda folder: None, "photos"),
    "folders of validation": (lambda folder: None, "photos/val"),
    "folders, by a path with dots": (lambda folder: None, "./photos/../photos/"),
    "folders called validation": (lambda folder: (folder / "val").rename(folder / "validation"), "photos"),
    "a grey image": (_as("L", "0.png"), "photos"),
    "an image with a palette": (_as("P", "0.png"), "photos"),
    "an image with transparency": (_as("RGBA", "0.png"), "photos"),
    "an image of four inks": (_as("CMYK", "0.jpg"), "photos"),
    "an image of one bit": (_as("1", "0.png"), "photos"),
    "a WebP": (_as("RGB", "0.webp"), "photos"),
    "a TIFF": (_as("RGB", "0.tif"), "photos"),
    "a GIF": (_as("P", "0.gif"), "photos"),
    "an ending in capitals": (_renamed("0.PNG"), "photos"),
    "an image called in another script": (_renamed("写真 一.png"), "photos"),
    "an image called with quotes": (_renamed("a 'b' \"c\".png"), "photos"),
    "an image of a long name": (_renamed("n" * 240 + ".png"), "photos"),
    "what file managers leave": (_more("ant/.DS_Store"), "photos"),
    "what file managers leave, too": (_more("ant/Thumbs.db"), "photos"),
    "words beside the images": (_more("ant/notes.txt"), "photos"),
    "an image without an ending": (_renamed("0"), "photos"),
    "a hidden folder": (_more(".cache/x"), "photos"),
    "a file beside the classes": (_more("README.txt"), "photos"),
}  # fmt: skip


def listed_folders(sound: Sound) -> Sequence[Trial]:
    """Broken images, and names."""
    return [Trial(f"folders: {name}", partial(_of_folders, *row)) for name, row in _FOLDERS.items()]


def drawn_folders(place: Place) -> Run:
    """An image damaged."""
    folder = place.copy(place.sound.data["folders"], "photos")
    path = place.pick(sorted(folder.rglob("*.png")))
    data, what = damage(path.read_bytes(), place.random)
    path.write_bytes(data)
    return Run(f"{path.relative_to(folder)}: {what}", reading(place, "photos", named=True), ANY)


def odd_folders(sound: Sound) -> Sequence[Trial]:
    """Sound ones."""
    return [Trial(name, partial(_odd_folders, *row)) for name, row in _ODD_FOLDERS.items()]
