"""Modules whose every name is an empty class, in the place of packages that networks import and never call: torchvision for
timm."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["put_in_place"]


class _Names(type):
    """Of classes that are asked for names, as of an enumeration: each is the name itself."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Module(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        made = _Names(name, (), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


class _Finder(MetaPathFinder, Loader):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        is_ours = fullname.partition(".")[0] == self.package
        return ModuleSpec(fullname, self, is_package=True) if is_ours else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__version__"] = "0"


def put_in_place(*packages: str) -> None:
    """Unless they can be imported, let imports of torchvision and of ``packages`` find empty ones."""
    for package in ("torchvision", *packages):
        if not _is_there(package):
            for name in [name for name in sys.modules if name.partition(".")[0] == package]:
                del sys.modules[name]
            sys.meta_path.insert(0, _Finder(package))


def _is_there(package: str) -> bool:
    try:
        importlib.import_module(package)
    except Exception:  # a build for another torch raises what it likes
        return False
    return True
