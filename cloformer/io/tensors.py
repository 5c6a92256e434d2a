"""Tensors in safetensors files, as numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .read import decoding, read_bytes
from .safetensors import check_head, with_sorted_header

if TYPE_CHECKING:
    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]

__all__ = ["read_tensors", "tensors_as_bytes"]


def read_tensors(path: Path, limit: int, advice: str) -> tuple[Arrays, dict[str, str]]:
    """The arrays by name and the file's metadata; :class:`InputError` for a file that is none, or is damaged."""
    from safetensors.numpy import load

    data = read_bytes(path, limit, advice)
    with decoding(str(path), advice):
        metadata = check_head(data)
        arrays: Arrays = load(data)
    return arrays, metadata


def tensors_as_bytes(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """The same arrays and metadata always as the same bytes."""
    from safetensors.numpy import save

    return with_sorted_header(save(dict(arrays), dict(metadata)))
