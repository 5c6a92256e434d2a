"""A library as it is installed: imported, or told what is wrong with it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from types import ModuleType
from typing import Any

from cloformer.errors import MissingRuntimeError
from cloformer.io.quiet import quiet
from cloformer.io.words import reason_of

from .asked import Asked

__all__ = ["is_installed", "package", "version_of"]

_TORCHVISION_BEGAN_AT = 15  # torchvision 0.15 was made for torch 2.0, and each later one for the torch after


def is_installed(name: str) -> bool:
    """Whether there is a package of that name; it is not imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # of what was made by hand
        return True


def package(name: str, asked: Asked) -> Any:
    """The package, imported. :class:`MissingRuntimeError` if it is not installed, or does not load: most often since its
    torchvision was made for another torch."""
    if not is_installed(name):
        raise MissingRuntimeError(
            f"{asked.option} {asked.said} needs {name}, which is not installed", f"pip install {name}"
        )
    found, error = _imported(name)
    if found is not None:
        return found
    raise MissingRuntimeError(
        f"{asked.option} {asked.said}: {name} cannot be imported: {type(error).__name__}: {reason_of(error or Exception())}",
        *_advice(name),
    )


def version_of(found: Any) -> dict[str, str]:
    """The name of an imported package, and its version."""
    return {found.__name__: str(found.__version__)}


def _imported(name: str) -> tuple[ModuleType | None, Exception | None]:
    with quiet(name):
        try:
            return importlib.import_module(name), None
        except Exception as error:  # a package that is there and broken raises what it likes
            return None, error


def _advice(name: str) -> tuple[str, ...]:
    """What to do about a package that does not load: of torchvision, which release fits."""
    import torch

    found = re.match(r"2\.([0-9]+)", torch.__version__)
    if found is None or _imported("torchvision")[0] is not None:
        return (f"pip install --upgrade --force-reinstall --no-deps {name}",)
    release = re.split(r"[+]", torch.__version__)[0]
    fitting = f"torchvision==0.{int(found[1]) + _TORCHVISION_BEGAN_AT}.*"
    return (
        f"torchvision {_version('torchvision')} does not fit torch {torch.__version__}: install both from one place",
        f"pip install --force-reinstall torch=={release} '{fitting}'",
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
