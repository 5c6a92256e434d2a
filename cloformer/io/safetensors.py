"""The head of a ``.safetensors`` file: its length in eight bytes, then JSON, then the tensors' bytes.

The library reads the tensors. What it does not bound or leaves in any order is looked at here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from .fields import FieldError, Fields
from .read import parse_json
from .words import count

__all__ = ["LENGTH", "check_head", "with_sorted_header"]

LENGTH = 8  # bytes that hold the header's length
_MAX_HEADER = 2**24
_MAX_RANK = 64  # what NumPy and torch compute with
_METADATA = "__metadata__"


def check_head(data: bytes) -> dict[str, str]:
    """The text metadata of a whole file; :class:`ValueError` for a header that is damaged or beyond its bounds."""
    length = int.from_bytes(data[:LENGTH], "little")
    if not 0 < length <= min(_MAX_HEADER, len(data) - LENGTH):
        raise ValueError(f"its header has {count(length, 'byte')}")
    header = Fields(parse_json(data[LENGTH : LENGTH + length].decode()))
    metadata = header.default(_METADATA, lambda name: header.optional(name, header.child), None)
    for name in header.names():
        shape = header.child(name).wholes("shape", 0, 2**62, most=_MAX_RANK)
        if math.prod(shape) > len(data) * 8:  # of whatever type, it would not be in the file
            raise FieldError(header.at(name), "has more numbers than the file")
    return {} if metadata is None else _texts(metadata)


def _texts(metadata: Fields) -> dict[str, str]:
    """Without bounds of their own: an image size is as good a text here as a thousand class names."""
    values = {name: metadata.take(name) for name in metadata.names()}
    if not all(isinstance(value, str) for value in values.values()):
        raise FieldError(metadata.path, "holds something else than text")
    return {name: str(value) for name, value in values.items()}


def with_sorted_header(data: bytes) -> bytes:
    """The same file with its header's keys in order: the library writes metadata in any order."""
    length = int.from_bytes(data[:LENGTH], "little")
    header: Mapping[str, object] = json.loads(data[LENGTH : LENGTH + length])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[LENGTH + length :]
