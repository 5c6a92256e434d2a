"""The weight file of an ML Program (``weights/weight.bin``), read without trusting it.

The layout is that of ``mlmodel/src/MILBlob/Blob/StorageFormat.hpp`` in coremltools: a header of 64 bytes;
each value has 64 bytes of its own (a sentinel, a type, sizes and where the bytes are), all little-endian.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

from cloformer.errors import InputError
from cloformer.io.read import opened
from cloformer.io.words import count

__all__ = ["WeightFile"]

_HEADER = struct.Struct("<II")  # number of values, version; the rest of the 64 bytes is reserved
_ENTRY = struct.Struct("<IIQQQ")  # sentinel, type, bytes, offset, unused bits in the last byte
_ENTRY_BYTES = 64
_SENTINEL = 0xDEADBEEF
_VERSION = 2

# The type numbers of BlobDataType.hpp, as MIL names them.
_TYPES = {
    1: "float16", 2: "float32", 3: "uint8", 4: "int8", 5: "bfloat16", 6: "int16", 7: "uint16", 8: "int4",
    9: "uint1", 10: "uint2", 11: "uint4", 12: "uint3", 13: "uint6", 14: "int32", 15: "uint32",
    16: "float8e4m3fn", 17: "float8e5m2",
}  # fmt: skip


class WeightFile:
    """A weight file, mapped into memory; ``read`` gives the bytes of one value.

    Values do not overlap, so that all of them together are no larger than the file: read each once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with opened(path, "the package is damaged: export it again") as file:
            self._size = os.fstat(file.fileno()).st_size
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self._size else b""
        if self._size < _ENTRY_BYTES or _HEADER.unpack_from(self._data)[1] != _VERSION:
            raise InputError(f"{path} is not a weight file of an ML Program (version {_VERSION})")
        self._unread = self._size

    def read(self, offset: int, dtype: str, expected_bytes: int) -> bytes:
        """The bytes of the value whose entry is at ``offset``; :class:`InputError` if the file says otherwise."""
        if offset < 0 or offset + _ENTRY_BYTES > self._size:
            raise self._error(offset, "lies outside the file")
        sentinel, kind, size, start, _padding = _ENTRY.unpack_from(self._data, offset)
        if sentinel != _SENTINEL:
            raise self._error(offset, "is no value's entry")
        stored = _TYPES.get(kind, f"type {kind}")
        if stored != dtype:
            raise self._error(offset, f"is {stored}, and the program says {dtype}")
        if size != expected_bytes:
            raise self._error(offset, f"has {count(size, 'byte')}, and its shape needs {expected_bytes}")
        if start + size > self._size:
            raise self._error(offset, f"ends at byte {start + size} of {self._size}")
        self._unread -= size
        if self._unread < 0:
            raise self._error(offset, "overlaps others")
        return bytes(self._data[start : start + size])

    def _error(self, offset: int, what: str) -> InputError:
        return InputError(
            f"{self.path}: the value at byte {offset} {what}", "the package is damaged: export it again"
        )
