"""What ``--spec`` is given of a small network that classifies square images."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["image_spec"]

_HALVES = (0.5, 0.5, 0.5)


def image_spec(
    size: int, labels: str = "labels.txt", mean: Sequence[float] = _HALVES, std: Sequence[float] = _HALVES
) -> str:
    """Of ``size`` pixels a side, resized to no more; ``labels`` is the file with the names of its classes."""
    return f"""
labels = "{labels}"
[[inputs]]
name = "image"
shape = [1, 3, {size}, {size}]
[inputs.preprocessing]
resize_size = {size}
mean = {list(mean)}
std = {list(std)}
"""
