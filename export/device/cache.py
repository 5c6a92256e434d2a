"""What is downloaded and compiled for devices: kept in a folder of the user's, each thing whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cloformer.errors import InputError

__all__ = ["cache_folder", "placed"]


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/cloformer``, or where the system keeps what can be made again. It need not exist."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if Path(given).is_absolute():  # the standard ignores what is not
        return Path(given) / "cloformer"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "cloformer"


@contextlib.contextmanager
def placed(destination: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``destination`` when the block ends without an error; what another
    process put there first stays. Raises :class:`InputError` if the place cannot be written."""
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".new-", dir=destination.parent))
    except OSError as error:
        raise InputError(
            f"{destination.parent} cannot be written: {error.strerror or error}",
            "set XDG_CACHE_HOME to a folder that can",
        ) from None
    try:
        yield staging
        try:
            staging.rename(destination)
        except OSError as error:
            if not destination.is_dir():
                raise InputError(f"{destination} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
