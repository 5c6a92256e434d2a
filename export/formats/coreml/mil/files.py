"""The files of a ``.mlpackage``, none of them trusted: no path leaves the package, no size is believed."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath

import torch

from cloformer.errors import InputError
from cloformer.io.fields import FieldError, Fields
from cloformer.io.read import read_bytes, read_json

from .blob import WeightFile
from .types import TYPES, unpack

__all__ = ["Weights", "contents", "model_file"]

_MAX_MANIFEST_BYTES = 1 << 20
_DAMAGED = "the package is damaged: export it again"
_MODEL_PATH = "@model_path/"


def model_file(package: Path) -> Path:
    """Where the package's own list has the model: a place below ``Data``."""
    listing = package / "Manifest.json"
    if not listing.is_file():
        raise InputError(f"{package} is not a .mlpackage: it has no Manifest.json")
    content = read_json(_inside(package, listing), _MAX_MANIFEST_BYTES, _DAMAGED)
    try:
        fields = Fields(content)
        entry = fields.child("itemInfoEntries").child(fields.text("rootModelIdentifier")).text("path")
    except FieldError as error:
        raise InputError(f"{listing} is damaged: {error}", _DAMAGED) from None
    return package / "Data" / PurePosixPath(entry)


def contents(package: Path, file: Path, limit: int) -> bytes:
    """All of a file of the package, which is no larger than ``limit``."""
    return read_bytes(_inside(package, file), limit, "it is not what its name says: export the package again")


def _inside(package: Path, file: Path) -> Path:
    """``file`` with links followed: a plain file (a pipe would be read without an end) in ``package``."""
    try:
        resolved = file.resolve()
        is_inside = resolved.is_relative_to(package.resolve())
        is_file = resolved.is_file()
    except (OSError, ValueError, RuntimeError):  # links in a circle, a name that is too long
        is_inside = is_file = False
    if not is_inside:
        raise InputError(
            f"{package} names a file outside of it: {str(file)[:120]!a}", "do not use this package"
        )
    if not is_file:
        raise InputError(f"{package} has no file {str(file)[:120]!a}", _DAMAGED)
    return resolved


class Weights:
    """The weight files of a package, opened when first read; a value that several constants name is held once."""

    def __init__(self, folder: Path, package: Path) -> None:
        self._folder, self._package = folder, package
        self._files: dict[Path, WeightFile] = {}
        self._values: dict[tuple[Path, int, str, int], torch.Tensor] = {}

    def read(self, name: str, offset: int, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
        """The value at ``offset`` of the file called ``name`` in the program; ``@model_path`` is ``folder``."""
        if not name.startswith(_MODEL_PATH):
            raise InputError(f"a weight file has the path {name[:120]!a}", "do not use this package")
        path = _inside(self._package, self._folder / name.removeprefix(_MODEL_PATH))
        count = math.prod(shape)
        key = (path, offset, dtype, count)
        if key not in self._values:
            if path not in self._files:
                self._files[path] = WeightFile(path)
            data = self._files[path].read(offset, dtype, TYPES[dtype].stored_bytes(count))
            self._values[key] = unpack(data, dtype, (count,))
        return self._values[key].reshape(shape)
