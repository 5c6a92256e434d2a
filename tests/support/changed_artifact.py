"""Artifacts whose model was changed, and whose manifest names the new one as if it had been exported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from cloformer.export.artifact.files import list_files
from cloformer.export.artifact.folder import MANIFEST
from cloformer.io.write import canonical_json

__all__ = ["with_model"]


def with_model(folder: Path, copy: Path, change: Callable[[Path], object]) -> Path:
    """A copy of the artifact in ``folder``; ``change`` is given the path of its model."""
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / MANIFEST).read_bytes())
    change(copy / manifest["model"]["path"])
    (copy / MANIFEST).unlink()
    roles = {entry["path"]: entry["role"] for entry in manifest["files"]}
    manifest["files"] = [entry.to_json() for entry in list_files(copy, roles)]
    (copy / MANIFEST).write_text(canonical_json(manifest), "utf-8")
    return copy
