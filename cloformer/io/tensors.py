"""Tensors in safetensors files, as numpy arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloformer.errors import InputError

from .read import decoding, read_bytes
from .safetensors import LENGTH, check_head, with_sorted_header

if TYPE_CHECKING:
    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]

__all__ = ["read_tensors", "tensors_as_bytes"]


def read_tensors(
    path: Path, limit: int, advice: str, *, sealed_by: str | None = None
) -> tuple[Arrays, dict[str, str]]:
    """The arrays by name and the file's metadata; :class:`InputError` for a file that is none, or is damaged. ``sealed_by`` is the
    entry of the metadata that holds the SHA-256 of all bytes behind the header, which must be theirs."""
    from safetensors.numpy import load

    data = read_bytes(path, limit, advice)
    with decoding(str(path), advice):
        metadata = check_head(data)
        arrays: Arrays = load(data)
    if sealed_by is not None and metadata.get(sealed_by) != _sha256_of_numbers(data):
        raise InputError(f"{path} does not hold the numbers that were written: their hash is another", advice)
    return arrays, metadata


def _sha256_of_numbers(data: bytes) -> str:
    begin = LENGTH + int.from_bytes(data[:LENGTH], "little")
    return hashlib.sha256(memoryview(data)[begin:]).hexdigest()


def tensors_as_bytes(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """The same arrays and metadata always as the same bytes."""
    from safetensors.numpy import save

    return with_sorted_header(save(dict(arrays), dict(metadata)))
