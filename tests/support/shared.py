"""What several tests only read, made once for all processes that run them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Exports", "Shared"]


class Shared:
    """Folders below ``root``, which the processes of a test run have in common."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def folder(self, name: str, make: Callable[[Path], object]) -> Path:
        """The folder of this name, filled by ``make`` for the first that asks; others wait for it.

        Whoever reads it leaves it as it is: a test that changes files copies them first.
        """
        place, unfinished = self._root / name, self._root / f"{name}.unfinished"
        with (self._root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                shutil.rmtree(unfinished, ignore_errors=True)  # of a ``make`` that failed
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(place)
        return place


class Exports:
    """Artifacts that tests only read: one export for all tests that make the same request."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def __call__(self, **request: Any) -> dict[str, Path]:
        """The artifacts' folders by format; ``request`` are the fields of an ``ExportRequest`` but for its output."""
        from cloformer.export.pipeline.export import export
        from cloformer.export.pipeline.request import ExportRequest

        key = hashlib.sha256(repr(sorted(request.items())).encode()).hexdigest()[:16]
        made = self._shared.folder(
            f"export-{key}", lambda output: export(ExportRequest(**request, output=output))
        )
        manifests = {
            folder: json.loads((folder / "manifest.json").read_bytes()) for folder in sorted(made.iterdir())
        }
        return {manifest["format"]: folder for folder, manifest in manifests.items()}
