"""Which libraries are here, and which models they have, found without importing them: completion has no time for that."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from cloformer.errors import InputError
from cloformer.io.read import read_text

from .asked import LIBRARIES
from .package import is_installed

__all__ = ["libraries", "models_of"]

# What both put above a function that makes a model; torchvision gives some another name there.
_REGISTERED = re.compile(
    r"^@register_model(?:\((?:name=\"(\w+)\")?\))?\n(?:(?!def ).*\n)*?def (\w+)", re.MULTILINE
)
_PLACE = {"timm": "models", "torchvision": "models"}  # below the package
_MOST = 2**22  # bytes of a file of models


def libraries() -> list[str]:
    """Those that are installed; a folder's package is known when the folder has been read."""
    return [name for name in LIBRARIES if name == "hf" or is_installed(name)]


def models_of(library: str) -> list[str]:
    """The names that a library registers its models by, in its source; none for folders."""
    found = importlib.util.find_spec(library) if library in _PLACE else None
    folders = () if found is None else found.submodule_search_locations or ()
    return sorted({name for folder in folders for name in _names(Path(folder) / _PLACE[library])})


def _names(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*.py"):
        try:
            text = read_text(file, _MOST, "reinstall the library")
        except InputError:  # of a completion nobody waits for an error
            continue
        yield from (name or function for name, function in _REGISTERED.findall(text))
