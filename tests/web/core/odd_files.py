"""PNG files of every kind, written here since Pillow writes few of them, and what may say how an image is turned: EXIF and XMP, whole
and not."""

from __future__ import annotations

import struct
import zlib

import numpy as np

__all__ = ["COLOURS", "SIGNATURE", "chunk", "png", "turned", "xmp"]

# Samples of a pixel by PNG's type of colour, and how many bits each may have.
COLOURS = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (1, (1, 2, 4, 8)), 4: (2, (8, 16)), 6: (4, (8, 16))}
# Where the pixels of each pass of an interlaced PNG begin, and how far apart they are.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_ORIENTATION = 0x0112
_NUMBERS = {3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f"}  # types of TIFF
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3


def png(
    draw: np.random.Generator, width: int, height: int, colour: int, bits: int, order: int, chunks: list[bytes] | None = None
) -> bytes:  # fmt: skip
    """Rows of random bytes, each behind the number of a filter: whatever they are, a reader makes pixels of them."""
    samples = COLOURS[colour][0]
    rows = []
    for x, y, dx, dy in _ADAM7 if order else ((0, 0, 1, 1),):
        across, down = -((x - width) // dx), -((y - height) // dy)
        stride = -(-across * samples * bits // 8)
        if across > 0 and down > 0:
            each = draw.integers(0, 256, (down, 1 + stride), np.uint8)
            each[:, 0] = draw.integers(0, 5, down)
            rows.append(each.tobytes())
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, order))
    # Shorter than what the samples can name: what is missing has a colour, too.
    palette = (
        [chunk(b"PLTE", draw.integers(0, 256, 3 * (2**bits * 3 // 4), np.uint8).tobytes())]
        if colour == _PALETTE
        else []
    )
    packed = zlib.compress(b"".join(rows), 1)
    data = [chunk(b"IDAT", packed[:5]), chunk(b"IDAT", b""), chunk(b"IDAT", packed[5:])]
    return SIGNATURE + b"".join((header, *palette, *(chunks or []), *data, chunk(b"IEND", b"")))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _exif(orientation: int, order: str = ">", kind: int = 3) -> bytes:
    """A directory with another entry before the orientation, a whole number of TIFF's type ``kind``."""
    number = struct.pack(f"{order}{_NUMBERS[kind]}", orientation)
    return _directory(
        order,
        _entry(order, 0x0100, 4, 1, struct.pack(f"{order}I", 7)),
        _entry(order, _ORIENTATION, kind, 1, number),
    )


def _entry(order: str, tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")


def _directory(order: str, *entries: bytes) -> bytes:
    head = {">": b"MM", "<": b"II"}[order] + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)


def _odd_exif() -> dict[str, bytes]:
    """Directories that are whole and say it in another way, and such as are not."""
    sound, six = _exif(6), struct.pack(">H", 6)
    one, other = (_entry(">", _ORIENTATION, 3, 1, struct.pack(">H", number)) for number in (6, 3))
    return {
        "empty": b"", "garbage": b"garbage!!!", "short": sound[:6], "header-alone": sound[:8], "half": sound[:20],
        "beyond-the-end": sound[:4] + struct.pack(">I", 9999) + sound[8:], "other-magic": b"MM*\0" + sound[4:],
        "other-order": b"II" + sound[2:], "two-numbers": _directory(">", _entry(">", _ORIENTATION, 3, 2, six + b"\0\3")),
        "three-numbers": _directory(">", _entry(">", _ORIENTATION, 3, 3, struct.pack(">I", 22))) + six + b"\0\1\0\1",
        "no-number": _directory(">", _entry(">", _ORIENTATION, 3, 0, six)), "number-beyond": _directory(">", _entry(">", _ORIENTATION, 3, 9, six)),
        "byte": _directory(">", _entry(">", _ORIENTATION, 1, 1, b"\6"), one), "text": _directory(">", _entry(">", _ORIENTATION, 2, 2, b"6\0")),
        "undefined": _directory(">", _entry(">", _ORIENTATION, 7, 1, b"\6"), other),
        "unknown-type": _directory(">", _entry(">", _ORIENTATION, 99, 1, six), other),
        "twice-in-one": _directory(">", one, other), "more-entries": _exif(6)[:8] + b"\0\t" + _exif(6)[10:],
    }  # fmt: skip


def xmp(orientation: int) -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


def _profile(exif: bytes) -> bytes:
    return f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()


def turned() -> dict[str, list[bytes]]:
    """Chunks that say how an image is turned, in all the ways that Pillow reads, and some that it does not follow."""
    xml = b"XML:com.adobe.xmp\0"
    profile = b"Raw profile type exif\0"
    found = {f"exif-{number}": [chunk(b"eXIf", _exif(number, "<>"[number % 2]))] for number in range(10)}
    found |= {f"type-{kind}": [chunk(b"eXIf", _exif(6, "<", kind))] for kind in _NUMBERS}
    found |= {f"odd-{name}": [chunk(b"eXIf", content)] for name, content in _odd_exif().items()}
    return found | {
        "twice": [chunk(b"eXIf", _exif(6)), chunk(b"eXIf", _exif(8))],
        "after-the-name": [chunk(b"eXIf", b"Exif\0\0" + _exif(6))],
        "xmp": [chunk(b"iTXt", xml + b"\0\0\0\0" + xmp(6))],
        "packed-xmp": [chunk(b"iTXt", xml + b"\1\0\0\0" + zlib.compress(xmp(8)))],
        "exif-and-xmp": [chunk(b"eXIf", _exif(3)), chunk(b"iTXt", xml + b"\0\0\0\0" + xmp(6))],
        "profile": [chunk(b"tEXt", profile + _profile(_exif(5)))],
        "packed-profile": [chunk(b"zTXt", profile + b"\0" + zlib.compress(_profile(_exif(7))))],
        "unknown-text": [chunk(b"tEXt", b"Comment\0tiff:Orientation=\"6\"")],
    }  # fmt: skip
