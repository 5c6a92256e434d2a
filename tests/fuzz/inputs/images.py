"""Images: damaged ones, enormous ones in small files, programs that call themselves images; and every odd kind."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from ..case import ANY, BAD, SOUND, InputClass, Place, Run, Trial
from ..sound import MODEL, Sound
from ..values import damage

__all__ = ["IMAGES"]

pillow_heif.register_heif_opener()  # to save them
_ORIENTATION = 0x0112
_MODEL = ("--model", MODEL, "--weights")


@cache
def _pixels() -> Any:
    return np.random.default_rng(1).integers(0, 256, (36, 48, 3), np.uint8)


def _encoded(image: Image.Image, kind: str, **how: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **how)
    return target.getvalue()


def _photo(kind: str = "PNG", mode: str = "RGB", **how: Any) -> bytes:
    return _encoded(Image.fromarray(_pixels()).convert(mode), kind, **how)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def _png(width: int, height: int, *chunks: bytes, depth: int = 8, kind: int = 2, data: bytes = b"") -> bytes:
    """A PNG that says what it is told to."""
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = [
        _chunk(b"IHDR", head),
        *chunks,
        _chunk(b"IDAT", data or zlib.compress(bytes(1000))),
        _chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def _bmp(width: int, height: int, bits: int = 24) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 100, 0, 0, 54) + head + bytes(100)


def _sized(kind: str, side: int) -> bytes:
    """A container that says that its picture is so large."""
    data = bytearray(_photo(kind))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", side, side)
    return bytes(data)


def _text_bomb() -> bytes:
    """Text of a gigabyte in a megabyte."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(1 << 26)) for _ in range(4)) + packer.flush()
    return _chunk(b"zTXt", b"note\x00\x00" + data)


def _gif(width: int, height: int, frames: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\x00\x00" + bytes(6) + frame * frames + b";"


def _tiff_in_itself() -> bytes:
    """A directory of a TIFF whose next one is itself."""
    entry = struct.pack("<HHII", 256, 3, 1, 1)
    return b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8)


def _exif(data: bytes) -> bytes:
    photo = _photo("JPEG")
    return photo[:2] + b"\xff\xe1" + (len(data) + 8).to_bytes(2, "big") + b"Exif\x00\x00" + data + photo[2:]


_FILES: dict[str, tuple[Callable[[], bytes], frozenset[int]]] = {
    "empty": (lambda: b"", BAD),
    "text": (lambda: b"photo\n" * 100, BAD),
    "random bytes": (lambda: np.random.default_rng(0).bytes(5000), BAD),
    "a byte": (lambda: b"\x89", BAD),
    "the signature alone": (lambda: b"\x89PNG\r\n\x1a\n", BAD),
    "half a PNG": (lambda: _photo()[: len(_photo()) // 2], BAD),
    "half a JPEG": (lambda: _photo("JPEG")[: len(_photo("JPEG")) // 2], BAD),
    "half a GIF": (lambda: _photo("GIF", "P")[:200], BAD),
    "half a WebP": (lambda: _photo("WEBP")[: len(_photo("WEBP")) // 2], BAD),
    "half a HEIC": (lambda: _photo("HEIF")[: len(_photo("HEIF")) // 2], BAD),
    "half an AVIF": (lambda: _photo("AVIF")[: len(_photo("AVIF")) // 2], BAD),
    "a HEIC of 2**31 x 2**31": (lambda: _sized("HEIF", 2**31), BAD),
    "an AVIF of 2**31 x 2**31": (lambda: _sized("AVIF", 2**31), BAD),
    "a HEIC of 20,000 x 20,000": (lambda: _sized("HEIF", 20_000), BAD),
    "a HEIC of nothing": (lambda: b"\x00\x00\x00\x18ftypheic" + bytes(12), BAD),
    "a container of either": (lambda: b"\x00\x00\x00\x18ftypmif1" + bytes(12), BAD),
    "half a TIFF": (lambda: _photo("TIFF")[:2000], BAD),
    "a PNG of 60,000 x 60,000": (lambda: _png(60_000, 60_000), BAD),
    "a PNG of 2**31": (lambda: _png(2**31 - 1, 2**31 - 1), BAD),
    "a PNG of no size": (lambda: _png(0, 0), BAD),
    "a PNG of 13,000 x 13,000 zeros": (lambda: _png(13_000, 13_000, data=zlib.compress(bytes(13_000 * (13_000 * 3 + 1)))), ANY),
    "a PNG of 7 bits": (lambda: _png(32, 32, depth=7), BAD),
    "a PNG of an unknown kind": (lambda: _png(32, 32, kind=5), BAD),
    "a PNG without its palette": (lambda: _png(32, 32, kind=3), ANY),
    "a PNG of 2**31 bytes of text": (lambda: b"\x89PNG\r\n\x1a\n\x7f\xff\xff\xfftEXt" + bytes(100), BAD),
    "a PNG of much text in little": (lambda: _png(32, 32, _text_bomb()), ANY),
    "a PNG of 20,000 parts": (lambda: _png(32, 32, *[_chunk(b"tEXt", b"a\x00b")] * 20_000, data=zlib.compress(bytes(32 * 97))), ANY),
    "a PNG with another sum": (lambda: _photo()[:40] + bytes([_photo()[40] ^ 1]) + _photo()[41:], BAD),
    "a BMP of 2**31": (lambda: _bmp(2**31 - 1, 2**31 - 1), BAD),
    "a BMP below zero": (lambda: _bmp(-32, -(2**31)), BAD),
    "a BMP of 20,000 x 20,000": (lambda: _bmp(20_000, 20_000), BAD),
    "a GIF of 65,535 x 65,535": (lambda: _gif(65_535, 65_535, 1), BAD),
    "a GIF of 100,000 pictures": (lambda: _gif(8, 8, 100_000), ANY),
    "a TIFF in itself": (_tiff_in_itself, BAD),
    "a PostScript program": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n(/etc/passwd) run\n", BAD),
    "a drawing of markup": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', BAD),
    "a document": (lambda: b"%PDF-1.4\n" + bytes(100), BAD),
    "a PNG of one pixel by 60,000": (lambda: _encoded(Image.new("RGB", (1, 60_000)), "PNG"), ANY),
    "a PNG of 60,000 pixels by one": (lambda: _encoded(Image.new("RGB", (60_000, 1)), "PNG"), ANY),
    "fractions": (lambda: _encoded(Image.fromarray(np.full((32, 32), np.nan, np.float32)), "TIFF"), BAD),
    "32 bits": (lambda: _encoded(Image.fromarray(np.full((32, 32), 2**30, np.int32)), "TIFF"), BAD),
    "EXIF of nothing": (lambda: _exif(b""), ANY),
    "EXIF cut": (lambda: _exif(b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01"), ANY),
    "EXIF of 65,535 entries": (lambda: _exif(b"II*\x00\x08\x00\x00\x00\xff\xff" + bytes(1000)), ANY),
    "EXIF in itself": (lambda: _exif(b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)), ANY),
    "EXIF: turned by 99": (lambda: _exif(b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHII", _ORIENTATION, 3, 1, 99) + bytes(4)), ANY),
    "EXIF: turned by a word": (lambda: _exif(b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHII", _ORIENTATION, 2, 100, 20) + bytes(4)), ANY),
    "a JPEG of many scans": (lambda: _photo("JPEG", progressive=True)[:-2] * 3, ANY),
    "JPEG's marks alone": (lambda: b"\xff\xd8" + b"\xff\xda\x00\x08" * 10_000, BAD),
    "a colour profile that is none": (lambda: _photo(icc_profile=b"profile" * 10_000), ANY),
}  # fmt: skip


def _arguments(place: Place, image: str) -> tuple[str, ...]:
    sound = place.sound
    choices = (
        ("predict", str(sound.onnx), image),
        ("predict", str(sound.coreml), image, "--json"),
        ("predict", str(sound.onnx), str(sound.image), image, "--json"),
        ("parity", str(sound.onnx), *_MODEL, str(sound.weights), "--images", image, "--no-operators"),
    )
    return choices[place.number % len(choices)]


def _run(name: str, data: bytes, codes: frozenset[int], what: str, place: Place) -> Run:
    (place.folder / name).write_bytes(data)
    return Run(what, _arguments(place, name), codes)


def _listed_run(content: Callable[[], bytes], codes: frozenset[int], place: Place) -> Run:
    return _run(place.pick(("photo.png", "photo.jpg")), content(), codes, "", place)


def _listed(sound: Sound) -> Sequence[Trial]:
    return [
        Trial(f"{name}, {turn}", partial(_listed_run, *row))
        for turn in range(2)
        for name, row in _FILES.items()
    ]


_KINDS = (("PNG", "RGB"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("WEBP", "RGB"), ("TIFF", "RGB"), ("BMP", "RGB"), ("PPM", "RGB"), ("ICO", "RGBA"), ("TGA", "RGB"), ("JPEG2000", "RGB"), ("AVIF", "RGB"), ("HEIF", "RGB"))  # fmt: skip


def _drawn(place: Place) -> Run:
    kind, mode = place.pick(_KINDS)
    data, what = damage(_photo(kind, mode), place.random)
    return _run("photo." + kind.lower(), data, ANY, f"a {kind}, {mode}: {what}", place)


# Sound ones.


def _turned(tag: int) -> bytes:
    image = Image.fromarray(_pixels())
    exif = Image.Exif()
    exif[_ORIENTATION] = tag
    return _encoded(image, "JPEG", exif=exif)


def _animated() -> bytes:
    frames = [Image.fromarray(np.roll(_pixels(), shift, 0)) for shift in range(3)]
    return _encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def _of_16_bits(kind: str) -> bytes:
    values = (_pixels()[..., 0].astype(np.uint16)) << 8
    return _encoded(Image.fromarray(values), kind)


def _palette_with_transparency() -> bytes:
    image = Image.fromarray(_pixels()).convert("P")
    return _encoded(image, "PNG", transparency=bytes(range(256)))


_ODD: dict[str, Callable[[], bytes]] = {
    "grey": lambda: _photo("PNG", "L"),
    "grey with transparency": lambda: _photo("PNG", "LA"),
    "one bit": lambda: _photo("PNG", "1"),
    "a palette": lambda: _photo("PNG", "P"),
    "a palette with transparency": _palette_with_transparency,
    "transparency": lambda: _photo("PNG", "RGBA"),
    "16 bits, PNG": lambda: _of_16_bits("PNG"),
    "16 bits, TIFF": lambda: _of_16_bits("TIFF"),
    "four inks": lambda: _photo("JPEG", "CMYK"),
    "YCbCr, TIFF": lambda: _photo("TIFF", "YCbCr"),
    "Lab, TIFF": lambda: _photo("TIFF", "LAB"),
    "a progressive JPEG": lambda: _photo("JPEG", progressive=True),
    "a grey JPEG": lambda: _photo("JPEG", "L"),
    "a coarse JPEG": lambda: _photo("JPEG", quality=1),
    "a JPEG with a comment": lambda: _photo("JPEG", comment="昆虫\x1b[2J".encode()),
    "a GIF that moves": _animated,
    "a WebP": lambda: _photo("WEBP"),
    "a WebP without loss": lambda: _photo("WEBP", "RGBA", lossless=True),
    "a BMP": lambda: _photo("BMP"),
    "a PPM": lambda: _photo("PPM"),
    "a TIFF that is packed": lambda: _photo("TIFF", compression="tiff_lzw"),
    "a JPEG 2000": lambda: _photo("JPEG2000"),
    "a HEIC": lambda: _photo("HEIF"),
    "a HEIC with transparency": lambda: _photo("HEIF", "RGBA"),
    "an AVIF": lambda: _photo("AVIF"),
    "one pixel": lambda: _encoded(Image.new("RGB", (1, 1)), "PNG"),
    "three pixels wide": lambda: _encoded(Image.new("RGB", (3, 300)), "PNG"),
    "something behind the end": lambda: _photo() + b"more" * 100,
    "a profile of colours": lambda: _photo(icc_profile=b"\x00" * 200),
    **{f"turned, {tag}": partial(_turned, tag) for tag in range(1, 9)},
}
_ODD_NAMES = (
    "写真.png", "фото.png", "صورة.png", "a photo (1).png", "it's.png", 'a "photo".png', "-photo.png", "photo", "photo.PNG",
    "photo.jpeg.bak", "☃.png", "👩‍🔬.png", "n" * 200 + ".png", "/".join(["a long path"] * 20) + "/photo.png", "é.png", "e\u0301.png", "a%20b.png", "$HOME.png", "a;b&c.png", "#1.png",
)  # fmt: skip


def _odd_kind(content: Callable[[], bytes], place: Place) -> Run:
    name = "photo.png"
    (place.folder / name).write_bytes(content())
    return Run("", ("predict", str(place.sound.onnx), name), SOUND)


def _odd_name(name: str, place: Place) -> Run:
    path = place.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_photo())
    said = f"./{name}" if name.startswith("-") else name
    arguments = ("predict", str(place.sound.onnx), said)
    return Run("", (*arguments, "--json") if place.number % 2 else arguments, SOUND)


def _linked(place: Place) -> Run:
    (place.folder / "photos").mkdir()
    (place.folder / "photos" / "a.png").write_bytes(_photo())
    (place.folder / "link").symlink_to("photos")
    (place.folder / "photo.png").symlink_to("link/a.png")
    return Run("", ("predict", str(place.sound.onnx), "photo.png", "link/a.png"), SOUND)


def _many(place: Place) -> Run:
    folder = place.folder / "photos of 昆虫"
    folder.mkdir()
    for number, (kind, mode) in enumerate(_KINDS[:6]):
        (folder / f"{number}.{kind.lower()}").write_bytes(_photo(kind, mode))
    model = (*_MODEL, str(place.sound.weights), "--no-operators")
    return Run("", ("parity", str(place.sound.onnx), *model, "--images", folder.name), SOUND)


def _folder(place: Place) -> Run:
    """Photographs in folders in one another, beside what is none."""
    folder = place.folder / "фото"
    for number, (kind, mode) in enumerate(_KINDS):
        below = folder.joinpath(*["more"] * (number % 4))
        below.mkdir(parents=True, exist_ok=True)
        (below / f"{number}").write_bytes(_photo(kind, mode) if kind != "TGA" else _photo())
        (below / f"{number}.txt").write_text("words\x1b[2J")
    (folder / "more" / "round").symlink_to("..")
    return Run("", ("predict", str(place.sound.onnx), folder.name, "--save", "out"), SOUND)


def _odd(sound: Sound) -> Sequence[Trial]:
    trials = [Trial(name, partial(_odd_kind, content)) for name, content in _ODD.items()]
    trials += [Trial(f"called {name[:40]}", partial(_odd_name, name)) for name in _ODD_NAMES]
    return [
        *trials,
        Trial("through links", _linked),
        Trial("a folder of many kinds", _many),
        Trial("folders in folders", _folder),
    ]


IMAGES = InputClass("image", _listed, _drawn, 400, _odd)
