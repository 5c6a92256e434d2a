"""What XNNPACK's tensors may be."""

from __future__ import annotations

__all__ = ["MOST_AXES"]

MOST_AXES = 6  # XNN_MAX_TENSOR_DIMS
