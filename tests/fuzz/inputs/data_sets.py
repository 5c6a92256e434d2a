"""Data sets of every form."""

from __future__ import annotations

from ..case import InputClass, Place, Run
from .array_sets import drawn_arrays, listed_arrays, odd_arrays
from .folder_sets import drawn_folders, listed_folders, odd_folders
from .idx_sets import drawn_idx, listed_idx, odd_idx

__all__ = ["DATA_SETS"]


def _drawn(place: Place) -> Run:
    way = place.random.random()
    return drawn_arrays(place) if way < 0.6 else drawn_idx(place) if way < 0.85 else drawn_folders(place)


DATA_SETS = InputClass(
    "data set",
    lambda sound: [*listed_arrays(sound), *listed_idx(sound), *listed_folders(sound)],
    _drawn,
    400,
    lambda sound: [*odd_arrays(sound), *odd_idx(sound), *odd_folders(sound)],
)
