"""How the C library keeps memory that was freed."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_LARGE = 2**30


def keep_freed_memory() -> None:
    """Memory of blocks below a GiB is kept for the next block when it is freed, in the whole process.

    The GNU C library gives blocks above 32 MiB back to the system at once, and each page of the next one is made and cleared
    anew: that was half of the time of comparing networks whose results are so large. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _LARGE)
