"""Class names, in files that people write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..artifacts import any_reader, copied, rehash
from ..case import ANY, BAD, REFUSED, SOUND, InputClass, Place, Run, Trial
from ..sound import CLASSES, MODEL, Sound
from ..values import (
    NAMES,
    damage,
)

__all__ = ["LABELS"]

_SMALL = ("--model", MODEL, "--image-size", "32", "--dry-run", "--output", "out")
_TEN = "\n".join(CLASSES)
_MARK = b"\xef\xbb\xbf"


def _with(name: str) -> bytes:
    """The ten classes, one of which is called so."""
    return "\n".join([*CLASSES[:4], name, *CLASSES[5:]]).encode("utf-8", "surrogatepass") + b"\n"


_LABELS: dict[str, tuple[bytes, frozenset[int]]] = {
    "empty": (b"", BAD),
    "a blank": (b" ", BAD),
    "empty lines alone": (b"\n\n\n\n\n\n\n\n\n\n", BAD),
    "an empty line among them": (_with(""), BAD),
    "a blank line among them": (_with("  \t"), BAD),
    "one twice": (_with("ant"), ANY),
    "one twice but for blanks": (_with(" ant "), ANY),
    "UTF-16": (_TEN.encode("utf-16"), BAD),
    "UTF-32": (_TEN.encode("utf-32"), BAD),
    "Latin-1": (_with("").replace(b"\n\n", b"\nGrille \xe9t\xe9\n"), BAD),
    "half a surrogate": (_with("\ud800"), BAD),
    "bytes that are no UTF-8": (b"\xff\xfe\x00\x01" * 100, BAD),
    "an endless sequence": (b"\xf0\x9f\xa6" + _TEN.encode(), BAD),
    "a null character": (_with("a\x00b"), ANY),
    "one class": (b"ant\n", ANY),
    "eleven classes": (_TEN.encode() + b"\neleventh\n", ANY),
    "a million classes": (b"".join(b"%d\n" % number for number in range(1_000_000)), ANY),
    "a class of ten million letters": (_with("w" * 10_000_000), ANY),
    "80 MiB": (b"".join(b"%079d\n" % number for number in range(1 << 20)), ANY),
    **{f"a class called: {value.name}": (_with(value.value), ANY) for value in NAMES},
}


def _labels_arguments(place: Place, file: str, data: bytes) -> tuple[str, ...]:
    """One of the commands that read class names; the last ones find them inside another input."""
    sound = place.sound
    which = place.number % 6
    if which == 1:
        return (
            "evaluate",
            str(sound.onnx),
            "--data",
            str(sound.data["arrays.npz"]),
            "--labels",
            file,
            "--limit",
            "1",
        )
    if which == 2:
        return ("train", "--data", str(sound.data["arrays.npz"]), "--labels", file, "--output", "out/run",
                "--teacher", "no_such_module:teacher")  # fmt: skip
    if which == 3:
        (place.folder / "model.toml").write_text(f'labels = "{file}"\n', "utf-8")
        return ("export", "--spec", "model.toml", *_SMALL)
    if which == 4:
        folder = place.copy(sound.data["idx"])
        (folder / "labels.txt").write_bytes(data)
        return ("evaluate", str(sound.onnx), "--data", folder.name, "--limit", "1")
    if which == 5:
        artifact = copied(place, "onnx")
        (artifact / "labels.txt").write_bytes(data)
        rehash(artifact)
        return any_reader(place, artifact, "onnx")
    return ("export", "--labels", file, *_SMALL)


def _labels(data: bytes, codes: frozenset[int], what: str, place: Place) -> Run:
    (place.folder / "names.txt").write_bytes(data)
    arguments = _labels_arguments(place, "names.txt", data)
    if arguments[0] in ("inspect", "bundle", "parity", "profile", "bench", "compare", "import-device-report"):
        codes = ANY  # they have no need of the names
    if arguments[0] == "train":
        codes = codes - SOUND | REFUSED if codes == ANY else codes
    return Run(what, arguments, codes, ("out", "artifact-reports"))


def _labels_listed(sound: Sound) -> Sequence[Trial]:
    return [
        Trial(f"{name}, {turn}", partial(_labels, data, codes, ""))
        for name, (data, codes) in _LABELS.items()
        for turn in range(2)
    ]


def _labels_drawn(place: Place) -> Run:
    if place.random.random() < 0.5:
        data, what = damage(_TEN.encode() + b"\n", place.random)
        return _labels(data, ANY, what, place)
    names = list(CLASSES)
    for _ in range(int(place.random.integers(1, 5))):
        names[int(place.random.integers(len(names)))] = place.pick(NAMES).value
    return _labels(
        "\n".join(names).encode("utf-8", "surrogatepass"), ANY, "some classes of hostile names", place
    )


_SOUND_LABELS: dict[str, bytes] = {
    "a byte order mark": _MARK + _TEN.encode() + b"\n",
    "CRLF": _TEN.replace("\n", "\r\n").encode() + b"\r\n",
    "CR": _TEN.replace("\n", "\r").encode(),
    "a mark and CRLF": _MARK + _TEN.replace("\n", "\r\n").encode(),
    "no line at the end": _TEN.encode(),
    "empty lines at the end": _TEN.encode() + b"\n\n\n \n",
    "blanks around them": _TEN.replace("\n", "  \n\t ").encode(),
    "any script": "蚂蚁\nпчела\nدبور\nमक्खी\nმწერი\nผีเสื้อ\n蜻蜓\nμύγα\nאֶלֶף\nkäfer\n".encode(),  # noqa: RUF001
    "emoji": "🐜\n🐝\n🪰\n🦋\n🐞\n🦗\n🕷️\n🦂\n🐌\n👩‍🔬\n".encode(),
    "quotes and marks": b"\"ant\"\n'bee'\nwasp, moth\nfly;gnat\n#midge\n<hornet>\n`cricket`\n|beetle|\n\\slug\n$worm\n",
    "long names": "\n".join(f"{name} " + "x" * 300 for name in CLASSES).encode(),
    "accents in two parts": "e\u0301te\n\u00e9te2\na\nb\nc\nd\ne\nf\ng\nh\n".encode(),
    "capitals that differ": b"ant\nAnt\nANT\nbee\nBee\nBEE\nfly\nFly\nFLY\nwasp\n",
    "two of one name": _with("ant"),
    "numbers": b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n",
}


def _labels_odd_run(data: bytes, how: str, place: Place) -> Run:
    (place.folder / "names.txt").write_bytes(data)
    sound = place.sound
    arguments = {
        "export": ("export", "--labels", "names.txt", *_SMALL),
        "spec": ("export", "--spec", "model.toml", *_SMALL[:2], "--dry-run", "--output", "out"),
        "predict": (),
    }[how]
    if how == "spec":
        (place.folder / "model.toml").write_text('labels = "names.txt"\n', "utf-8")
        arguments = ("export", "--spec", "model.toml", *_SMALL)
    if how == "predict":
        artifact = place.copy(sound.onnx, "artifact")
        (artifact / "labels.txt").write_bytes(data)
        rehash(artifact)
        arguments = ("predict", "artifact", str(sound.image), *(["--json"] if place.number % 2 else []))
    return Run("", arguments, SOUND)


def _labels_odd(sound: Sound) -> Sequence[Trial]:
    return [
        Trial(f"{name}, {how}", partial(_labels_odd_run, data, how))
        for name, data in _SOUND_LABELS.items()
        for how in ("export", "spec", "predict")
    ]


LABELS = InputClass("labels", _labels_listed, _labels_drawn, 150, _labels_odd)
