"""Data sets in arrays, which lie about themselves."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from ..bombs import zip_bomb, zip_of
from ..case import ANY, BAD, Place, Run, Trial
from ..sound import CLASSES, Sound
from ..values import damage
from .set_commands import evaluated, reading

__all__ = ["drawn_arrays", "listed_arrays", "odd_arrays"]

Arrays = dict[str, Any]
_GIB = 1 << 30


def _arrays(place: Place, data: bytes, codes: frozenset[int], what: str = "") -> Run:
    (place.folder / "set.npz").write_bytes(data)
    return Run(what, reading(place, "set.npz"), codes)


@cache
def _sound_arrays(sound: Sound) -> Arrays:
    with np.load(sound.data["arrays.npz"]) as file:
        return {name: file[name] for name in file.files}


def _saved(arrays: Arrays, **how: Any) -> bytes:
    target = io.BytesIO()
    (np.savez_compressed if how.get("compressed") else np.savez)(target, **arrays)
    return target.getvalue()


def _changed_arrays(change: Callable[[Arrays], object], codes: frozenset[int], place: Place) -> Run:
    arrays = dict(_sound_arrays(place.sound))
    change(arrays)
    return _arrays(place, _saved(arrays), codes)


def _put(name: str, value: Callable[[Any], Any]) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.update({name: value(arrays[name])})


_ARRAYS: dict[str, tuple[Callable[[Arrays], object], frozenset[int]]] = {
    "nothing": (dict.clear, BAD),
    "no validation": (lambda a: (a.pop("val_images"), a.pop("val_labels")), BAD),
    "images without labels": (lambda a: a.pop("val_labels"), BAD),
    "labels without images": (lambda a: a.pop("val_images"), BAD),
    "no images": (lambda a: a.update(val_images=a["val_images"][:0], val_labels=a["val_labels"][:0]), BAD),
    "images of no size": (_put("val_images", lambda v: v[:, :0]), BAD),
    "images of one pixel": (_put("val_images", lambda v: v[:, :1, :1]), ANY),
    "images a pixel high": (lambda a: a.update(val_images=np.zeros((20, 1, 60_000, 3), np.uint8)), ANY),
    "fractions": (_put("val_images", lambda v: v / 255), BAD),
    "five channels": (_put("val_images", lambda v: np.concatenate([v, v[..., :2]], -1)), BAD),
    "one axis": (_put("val_images", lambda v: v.reshape(-1)), BAD),
    "no axis": (_put("val_images", lambda v: v.reshape(-1)[0]), BAD),
    "six axes": (_put("val_images", lambda v: v[None, None]), BAD),
    "words": (_put("val_labels", lambda v: v.astype(str)), BAD),
    "fractions for classes": (_put("val_labels", lambda v: v + 0.5), BAD),
    "classes below zero": (_put("val_labels", lambda v: -v), BAD),
    "a class of a billion": (_put("val_labels", lambda v: v + 10**9), BAD),
    "a class of 2**62": (_put("val_labels", lambda v: v + 2**62), BAD),
    "a class of 2**64 - 1": (_put("val_labels", lambda v: np.full(v.shape, 2**64 - 1, np.uint64)), BAD),
    "a training class of a billion": (_put("train_labels", lambda v: v + 10**9), BAD),
    "classes in two axes": (_put("val_labels", lambda v: v[:, None]), BAD),
    "truth for classes": (_put("val_labels", lambda v: v.astype(bool)), BAD),
    "objects": (_put("val_labels", lambda v: v.astype(object)), BAD),
    "complex": (_put("val_images", lambda v: v.astype(complex)), BAD),
    "times": (_put("val_labels", lambda v: v.astype("M8[s]")), BAD),
    "records": (_put("val_images", lambda v: np.zeros(20, [("a", "u1"), ("b", "f4")])), BAD),
    "an array called an escape code": (lambda a: (a.clear(), a.update({"\x1b[2J": np.zeros(1)})), BAD),
    "an array called a command of a CI": (lambda a: (a.clear(), a.update({"a\n::set-output name=x::y": np.zeros(1)})), BAD),
    "1,000 arrays of other names": (lambda a: (a.clear(), a.update({f"array{n}": np.zeros(1) for n in range(1000)})), BAD),
}  # fmt: skip


def _header(text: str, values: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """An array file whose header says what it is told to."""
    data = text.encode("latin-1")
    data += b" " * (-(len(data) + 11) % 64) + b"\n"
    return (
        b"\x93NUMPY"
        + bytes(version)
        + len(data).to_bytes(2 if version[0] == 1 else 4, "little")
        + data
        + values
    )


def _one_lies(member: bytes) -> Callable[[Sound], bytes]:
    """A set whose val_images is this file."""

    def content(sound: Sound) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for name, array in _sound_arrays(sound).items():
                record = io.BytesIO()
                np.save(record, array)
                archive.writestr(f"{name}.npy", member if name == "val_images" else record.getvalue())
        return target.getvalue()

    return content


def _said(shape: str, kind: str = "|u1", order: str = "False") -> str:
    return f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"


def _bytes_of(data: bytes) -> Callable[[Sound], bytes]:
    return lambda sound: data


def _sound_bytes(change: Callable[[bytes], bytes]) -> Callable[[Sound], bytes]:
    return lambda sound: change(sound.data["arrays.npz"].read_bytes())


def _encrypted(data: bytes) -> bytes:
    """The first file says that it is encrypted, here and in the directory."""
    flags = bytearray(data)
    flags[6] |= 1
    at = data.index(b"PK\x01\x02")
    flags[at + 8] |= 1
    return bytes(flags)


def _method(data: bytes, number: int) -> bytes:
    flags = bytearray(data)
    flags[8] = number
    flags[data.index(b"PK\x01\x02") + 10] = number
    return bytes(flags)


_FILES: dict[str, tuple[Callable[[Sound], bytes], frozenset[int]]] = {
    "empty": (_bytes_of(b""), BAD),
    "text": (_bytes_of(b"images\n" * 100), BAD),
    "random bytes": (_bytes_of(np.random.default_rng(0).bytes(10_000)), BAD),
    "half of it": (_sound_bytes(lambda data: data[: len(data) // 2]), BAD),
    "all but a byte": (_sound_bytes(lambda data: data[:-1]), BAD),
    "its directory alone": (_sound_bytes(lambda data: data[data.index(b"PK\x01\x02") :]), BAD),
    "an empty archive": (_bytes_of(b"PK\x05\x06" + bytes(18)), BAD),
    "an encrypted file": (_sound_bytes(_encrypted), BAD),
    "a method that nobody knows": (_sound_bytes(lambda data: _method(data, 99)), BAD),
    "a method of bzip2": (_sound_bytes(lambda data: _method(data, 12)), BAD),
    "a method of LZMA": (_sound_bytes(lambda data: _method(data, 14)), BAD),
    "a pickle": (_bytes_of(b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x05abort\x93)R."), BAD),
    "one array and no archive": (_bytes_of(_header(_said("(4,)"), bytes(4))), BAD),
    "an array of 175 TiB": (_one_lies(_header(_said("(8000000, 5000, 5000)"))), BAD),
    "an array of 2**90": (_one_lies(_header(_said(f"({2**30}, {2**30}, {2**30})"))), BAD),
    "an array of 3 GiB": (_one_lies(_header(_said(f"({3 * _GIB},)"), bytes(1000))), BAD),
    "an array below zero": (_one_lies(_header(_said("(-1, 2)"))), BAD),
    "an array of 100 axes": (_one_lies(_header(_said(str((1,) * 100)), bytes(1))), BAD),
    "an array of words": (_one_lies(_header(_said("('a',)"))), BAD),
    "an array of objects": (_one_lies(_header(_said("(1,)", "|O"), b"\x80\x04cos\nabort\n)R.")), BAD),
    "a type that nobody knows": (_one_lies(_header(_said("(1,)", "Q99"))), BAD),
    "a type of 2**31 bytes": (_one_lies(_header(_said("(1,)", f"V{2**31 - 1}"))), BAD),
    "a header that computes": (_one_lies(_header("__import__('os').abort()")), BAD),
    "a header of nothing": (_one_lies(_header("")), BAD),
    "a header nested deep": (_one_lies(_header("(" * 20_000, version=(2, 0))), BAD),
    "a header of 4 GiB": (_one_lies(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100)), BAD),
    "a header of version 9": (_one_lies(_header(_said("(1,)"), bytes(1), (9, 0))), BAD),
    "an array without its values": (_one_lies(_header(_said("(20, 12, 10, 3)"))), BAD),
    "no array at all": (_one_lies(b"text"), BAD),
    "a file that says 3 GiB": (lambda sound: zip_of("val_images.npy", bytes(100), 3 * _GIB), BAD),
    "zeros: 3 GiB in 3 MB": (lambda sound: zip_bomb("val_images.npy", _header(_said(f"({3 * _GIB // 768}, 16, 16, 3)")), 3 * _GIB), BAD),
    "zeros: 3 GiB of another array": (lambda sound: zip_bomb("other.npy", _header(_said(f"({3 * _GIB},)")), 3 * _GIB), BAD),
}  # fmt: skip


def _of_bytes(content: Callable[[Sound], bytes], codes: frozenset[int], place: Place) -> Run:
    return _arrays(place, content(place.sound), codes)


def _odd_arrays(change: Callable[[Arrays], object], how: dict[str, Any], name: str, place: Place) -> Run:
    arrays = dict(_sound_arrays(place.sound))
    change(arrays)
    (place.folder / name).write_bytes(_saved(arrays, **how))
    return evaluated(place, name, "--labels", str(place.sound.labels))


_ODD_ARRAYS: dict[str, tuple[Callable[[Arrays], object], dict[str, Any], str]] = {
    "compressed": (lambda a: None, {"compressed": True}, "set.npz"),
    "an array more": (lambda a: a.update(notes=np.arange(5.0)), {}, "set.npz"),
    "an array of words more": (lambda a: a.update(names=np.array(CLASSES)), {}, "set.npz"),
    "an array of another script more": (lambda a: a.update({"昆虫": np.zeros(1)}), {}, "set.npz"),
    "validation alone": (lambda a: (a.pop("train_images"), a.pop("train_labels")), {}, "set.npz"),
    "grey images": (lambda a: a.update(val_images=a["val_images"][..., 0]), {}, "set.npz"),
    "classes of one byte": (_put("val_labels", lambda v: v.astype(np.uint8)), {}, "set.npz"),
    "classes of eight bytes": (_put("val_labels", lambda v: v.astype(np.uint64)), {}, "set.npz"),
    "classes in the other order of bytes": (_put("val_labels", lambda v: v.astype(">i4")), {}, "set.npz"),
    "columns first in memory": (_put("val_images", np.asfortranarray), {}, "set.npz"),
    "one image of a class": (lambda a: a.update(val_images=a["val_images"][:10], val_labels=a["val_labels"][:10]), {}, "set.npz"),
    "a name with blanks": (lambda a: None, {}, "my set (1).npz"),
    "a name in another script": (lambda a: None, {}, "昆虫.npz"),
}  # fmt: skip


def listed_arrays(sound: Sound) -> Sequence[Trial]:
    """Arrays that mean nothing, and files that are none: the latter for two commands each."""
    trials = [Trial(f"arrays: {name}", partial(_changed_arrays, *row)) for name, row in _ARRAYS.items()]
    return trials + [
        Trial(f"npz: {name}, {turn}", partial(_of_bytes, *row))
        for turn in range(2)
        for name, row in _FILES.items()
    ]


def drawn_arrays(place: Place) -> Run:
    """Damaged bytes."""
    data, what = damage(place.sound.data["arrays.npz"].read_bytes(), place.random)
    return _arrays(place, data, ANY, what)


def odd_arrays(sound: Sound) -> Sequence[Trial]:
    """Sound ones."""
    return [Trial(name, partial(_odd_arrays, *row)) for name, row in _ODD_ARRAYS.items()]
