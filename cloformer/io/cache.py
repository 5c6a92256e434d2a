"""What can be made again and takes long: kept in a folder of the user's, each thing whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from cloformer.io.staging import staged

__all__ = ["cache_folder", "placed"]

_ADVICE = "set XDG_CACHE_HOME to a folder that can be written"


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/cloformer``, or where the system keeps what can be made again. It need not exist."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if Path(given).is_absolute():  # the standard ignores what is not
        return Path(given) / "cloformer"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "cloformer"


@contextlib.contextmanager
def placed(destination: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``destination`` when the block ends without an error; what another
    process put there meanwhile stays. Raises :class:`InputError` if the place cannot be written."""
    looked = False

    def refuse_taken(place: Path) -> None:
        nonlocal looked
        if looked and place.is_dir():
            raise _TakenError
        looked = True  # who asks for it has just seen that it is not there

    with contextlib.suppress(_TakenError), staged(destination, refuse_taken, _ADVICE) as place:
        yield place


class _TakenError(Exception):
    """Another process was quicker, and what it made is as good."""
