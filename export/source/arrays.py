"""The type of an array, in files that have no time to import numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Array"]

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
else:
    Array = Any
