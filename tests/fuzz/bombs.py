"""Small files that would become large: what is compressed is zeros, written once and repeated."""

from __future__ import annotations

import zlib

__all__ = ["gzip_bomb", "zip_bomb"]

_PART = 64 << 20
_SIGNATURE, _DIRECTORY, _END = 0x04034B50, 0x02014B50, 0x06054B50


def gzip_bomb(head: bytes, size: int) -> bytes:
    """A .gz of ``head`` and about ``size`` zeros: members one after the other, as the format allows."""
    import gzip

    member = gzip.compress(bytes(_PART), 9, mtime=0)
    return gzip.compress(head, mtime=0) + member * (size // _PART)


def zip_bomb(name: str, head: bytes, size: int) -> bytes:
    """A .zip with one file that begins with ``head`` and goes on with about ``size`` zeros; less than 4 GiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    part = packer.compress(bytes(_PART)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = begin + part * (size // _PART) + packer.flush(zlib.Z_FINISH)
    total = len(head) + size // _PART * _PART
    return zip_of(name, data, total, method=8)


def zip_of(name: str, data: bytes, size: int, *, method: int = 0, flags: int = 0, checksum: int = 0) -> bytes:
    """A .zip of one file whose header says what it is told to."""
    encoded = name.encode()

    def number(value: int, width: int) -> bytes:
        return value.to_bytes(width, "little")

    common = b"".join(
        number(value, width)
        for value, width in (
            (20, 2), (flags, 2), (method, 2), (0, 4), (checksum, 4), (len(data) & 0xFFFFFFFF, 4),
            (size & 0xFFFFFFFF, 4), (len(encoded), 2), (0, 2),
        )
    )  # fmt: skip
    local = number(_SIGNATURE, 4) + common + encoded + data
    entry = number(_DIRECTORY, 4) + number(20, 2) + common + bytes(2 + 2 + 2 + 4) + number(0, 4) + encoded
    end = (
        number(_END, 4)
        + bytes(4)
        + number(1, 2)
        + number(1, 2)
        + number(len(entry), 4)
        + number(len(local), 4)
    )
    return local + entry + end + bytes(2)
