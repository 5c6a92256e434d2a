"""Tensors in safetensors files, as numpy arrays, and the header that all of our files have.

Source: the safetensors format, https://github.com/huggingface/safetensors (README, "Format").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .read import decoding, parse_json, read_bytes

if TYPE_CHECKING:
    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]

__all__ = ["metadata_of", "read_tensors", "tensors_as_bytes", "with_sorted_header"]

_LENGTH = 8  # bytes in front that hold the header's length


def read_tensors(path: Path, limit: int, advice: str) -> tuple[Arrays, dict[str, str]]:
    """The arrays by name and the file's metadata; :class:`InputError` for a file that is none, or is damaged."""
    from safetensors.numpy import load

    data = read_bytes(path, limit, advice)
    with decoding(str(path), advice):
        arrays: Arrays = load(data)
        return arrays, metadata_of(data)


def metadata_of(data: bytes) -> dict[str, str]:
    """The metadata in a file's header; :class:`ValueError` if there is no header, or something else than text in it."""
    header = parse_json(data[_LENGTH : _LENGTH + int.from_bytes(data[:_LENGTH], "little")].decode())
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its header has no metadata of text")
    return {key: str(value) for key, value in metadata.items()}


def tensors_as_bytes(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """The same arrays and metadata always as the same bytes."""
    from safetensors.numpy import save

    return with_sorted_header(save(dict(arrays), dict(metadata)))


def with_sorted_header(data: bytes) -> bytes:
    """The same file with its header's keys in order: the library writes metadata in any order."""
    length = int.from_bytes(data[:_LENGTH], "little")
    text = json.dumps(
        json.loads(data[_LENGTH : _LENGTH + length]),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    header = text.encode()
    header += b" " * (-len(header) % _LENGTH)
    return len(header).to_bytes(_LENGTH, "little") + header + data[_LENGTH + length :]
