"""What names a model: a built-in variant, or a factory of the user's in a module or a file.

cloformer_xs                      a built-in variant
package.module:factory            a function, a class or a module of one that can be imported
nets.py:build, ~/x/nets.py:build  the same in a file; a file below the current folder is the module of that name
"""

from __future__ import annotations

import keyword
import os
import re
import sys
from dataclasses import dataclass
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from cloformer.errors import InputError, UsageError, choose
from cloformer.io.missing import is_file, near_files
from cloformer.io.near import closest
from cloformer.variants import is_built_in, list_built_in
from cloformer.weights import ENDINGS, is_checkpoint

from .libraries.asked import names_a_library

__all__ = ["Factory", "leads_to", "locate", "names_a_module", "refuse_unknown"]

_OR_YOURS = "or a network of yours, {option} nets.py:build (the function build in nets.py), or timm's: {option} timm:resnet18"


@dataclass(frozen=True)
class Factory:
    """``module`` is its module's name, as manifests say it, and ``attribute`` its own ("" if none is named). ``file`` is the
    file that was named; with ``from_its_place`` the module is no part of what can be imported, and is loaded from there.
    ``said`` is what the user wrote."""

    said: str
    module: str
    attribute: str
    file: Path | None = None
    from_its_place: bool = False

    @property
    def reference(self) -> str:
        """``package.module:factory``, however it was written: no path of the machine."""
        return f"{self.module}:{self.attribute}"


def names_a_module(reference: str) -> bool:
    """Whether ``reference`` names a module of the user's, with a factory or without, and not a built-in variant or a library's
    model."""
    if is_built_in(reference) or names_a_library(reference) or Path(reference).suffix in ENDINGS:
        return False
    if any(sign in reference for sign in (":", "/", os.sep, ".")):
        return True
    here = Path(reference)
    is_here = is_file(here.with_suffix(".py")) or is_file(here / "__init__.py") if here.name else False
    return is_here and closest(reference, list_built_in()) is None


def refuse_unknown(reference: str, option: str = "--model") -> None:
    """:class:`UsageError`, which names ``option``, unless ``reference``, which names no module, is a built-in variant."""
    if not is_built_in(reference) and is_checkpoint(reference):
        raise UsageError(
            f"{option} {reference} is a checkpoint, not a model", f"give it as --weights {reference}"
        )
    choose("model", reference, list_built_in(), option, also=_OR_YOURS.format(option=option))


def locate(reference: str, option: str) -> Factory:
    """The module and the factory that ``reference`` names; nothing of it is run. The current folder is the last place that
    modules are imported from: nothing of the user's replaces what is installed.

    Raises :class:`UsageError` for what names nothing and :class:`InputError` for a file that is not there; both name
    ``option``.
    """
    _search(Path.cwd())
    place, attribute = _parts(reference)
    if not _is_path(place):
        if not all(place.split(".")):
            raise UsageError(
                f"{option} {reference!r} names no module", "give package.module:factory or nets.py:factory"
            )
        return Factory(reference, place, attribute)
    file = _file(place, option)
    module = _importable_as(file)
    _search(file.parent)  # for the modules beside it
    if module is not None:
        return Factory(reference, module, attribute, file)
    return Factory(reference, re.sub(r"\W", "_", file.stem), attribute, file, from_its_place=True)


def leads_to(module: str, file: Path) -> bool:
    """Whether importing ``module`` gives what stands in ``file``, and not another one of that name. Nothing is imported."""
    invalidate_caches()
    parts = module.split(".")
    try:
        found = find_spec(parts[0])
        for end in range(2, len(parts) + 1):
            inside = None if found is None else found.submodule_search_locations
            found = None if inside is None else _spec(".".join(parts[:end]), list(inside))
    except (ImportError, ValueError):  # ValueError: what was made by hand, as __main__ was
        return False
    return found is not None and found.origin is not None and _same(Path(found.origin), file)


def _parts(reference: str) -> tuple[str, str]:
    """Module or file, and factory: what stands after the last colon, unless that is part of a path."""
    place, colon, attribute = reference.rpartition(":")
    if not colon or any(sign in attribute for sign in ("/", os.sep)) or attribute.endswith(".py"):
        return reference, ""
    return place, attribute


def _is_path(place: str) -> bool:
    return place.endswith(".py") or place.startswith("~") or "/" in place or os.sep in place


def _file(place: str, option: str) -> Path:
    try:
        path = Path(place).expanduser()
    except (RuntimeError, ValueError):  # ~somebody who has no home, and a name that no file can have
        raise InputError(f"{option}: there is no file {place}", "give the file's path") from None
    may_be = [path] if path.suffix == ".py" else [path.parent / f"{path.name}.py", path / "__init__.py"]
    found = next((each for each in may_be if is_file(each)), None)
    if found is not None:
        return Path(os.path.normpath(found.absolute()))
    near = near_files(may_be[0], (".py",))
    hint = f". Did you mean {near[0]}?" if near else ""
    raise InputError(
        f"{option}: there is no file {path}{hint}", "give a Python file and a factory in it, as nets.py:build"
    )


def _importable_as(file: Path) -> str | None:
    """The name by which a file below the current folder is imported; None for one that is not."""
    here = Path.cwd()
    for path, folder in ((file, here), (file.parent.resolve() / file.name, here.resolve())):
        if not path.is_relative_to(folder):
            continue
        parts = path.relative_to(folder).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not parts or not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
            continue
        if leads_to(".".join(parts), file):
            return ".".join(parts)
    return None


def _spec(module: str, folders: list[str]) -> ModuleSpec | None:
    if module in sys.modules:
        return sys.modules[module].__spec__
    return PathFinder.find_spec(module, folders)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _search(folder: Path) -> None:
    """Import from ``folder`` too, after everything else."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
