"""A module of the user's, as :mod:`.named` says what names one: loaded, and its factory called."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from cloformer.errors import InputError, UsageError
from cloformer.io.near import closest
from cloformer.io.words import reason_of

from .named import Factory, leads_to

if TYPE_CHECKING:
    from torch import nn

__all__ = ["made_by", "seeded"]

_LISTED = 12  # factories in one line


def made_by(factory: Factory, option: str = "--model", seed: int = 0) -> nn.Module:
    """What a factory makes, with ``seed`` for its random weights; ``option`` is what named it.

    Raises :class:`UsageError` if there is no such factory, :class:`InputError` if it fails; both name ``option``.
    """
    from torch import nn

    with seeded(seed):
        module = _module(factory, option)
    found = _named_in(module, factory, option)
    needed = _needed(found)
    if needed:
        raise UsageError(
            f"{option} {factory.said} needs arguments: {', '.join(needed)}",
            f"write a function without arguments that returns {factory.attribute}(...), and name that one",
        )
    with seeded(seed):
        model = _called(found, factory, option)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{option} {factory.said} gave a {type(model).__name__}, not a torch.nn.Module",
            "name a factory that returns the module, or the module itself",
        )
    return model


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Around code of others: random weights are ``seed``'s, and what it prints is no part of a command's output."""
    import torch

    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(sys.stderr):
        torch.manual_seed(seed)
        yield


def _module(factory: Factory, option: str) -> ModuleType:
    said = f"{option} {factory.said}"
    try:
        if factory.from_its_place and factory.file is not None:
            return _from_its_place(factory.module, factory.file)
        return importlib.import_module(factory.module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{factory.module}.".startswith(f"{error.name}."):
            raise _no_module(error.name, said) from error
        raise InputError(
            f"{said}: there is no module {error.name!r}{_where(error)}",
            "install it, or add the folder that it is in to PYTHONPATH",
        ) from error
    except SyntaxError as error:
        place = f"{Path(error.filename or '').name}, line {error.lineno}"
        raise InputError(f"{said}: a syntax error in {place}: {error.msg}", "correct the line") from error
    except (Exception, SystemExit) as error:  # a user's module does and raises what it likes
        if isinstance(error, ImportError) and "relative import" in str(error):
            advice = "run cloformer in the folder above its package, and name it as package/nets.py:build"
        elif isinstance(error, SystemExit):
            advice = 'put what the script does under `if __name__ == "__main__":`'
        else:
            advice = "import it in Python to see why (--debug shows the traceback)"
        raise InputError(
            f"{said} cannot be imported: {type(error).__name__}: {reason_of(error)}{_where(error)}", advice
        ) from error


def _from_its_place(name: str, file: Path) -> ModuleType:
    """The module in ``file``, under ``name`` or, if another module has it or could be imported by it, one that is free:
    nothing of the user's replaces what is installed, and no other module comes in place of the file."""
    while not leads_to(name, file) and not _is_free(name):
        name += "_"
    held = sys.modules.get(name)
    if held is not None:
        return held
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is no Python file")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_free(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is None
    except ValueError:  # of what was made by hand
        return False


def _no_module(name: str, said: str) -> UsageError:
    parent, _, last = name.rpartition(".")
    folders = getattr(sys.modules.get(parent), "__path__", ()) if parent else (Path.cwd(),)
    near = closest(last, [each for folder in folders for each in _modules_in(Path(folder))])
    meant = "" if near is None else f". Did you mean {'.'.join(filter(None, (parent, near)))}?"
    return UsageError(
        f"{said}: there is no module {name!r}{meant}",
        "give package.module:factory, importable from the current folder, or nets.py:factory",
    )


def _modules_in(folder: Path) -> list[str]:
    try:
        return [each.stem for each in folder.iterdir() if each.suffix == ".py" or each.is_dir()]
    except OSError:
        return []


def _where(error: BaseException) -> str:
    """The last line outside Python's own import system at which it went wrong."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith("<") and frame.filename != __file__]
    own = [frame for frame in own if Path(frame.filename).parent.name != "importlib"]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


def _named_in(module: ModuleType, factory: Factory, option: str) -> object:
    place = factory.said.removesuffix(f":{factory.attribute}").removesuffix(":")
    known = _factories(module)
    if factory.attribute:
        found: object = module
        try:
            for part in factory.attribute.split("."):
                found = getattr(found, part)
            return found
        except AttributeError:
            near = closest(factory.attribute, known)
            hint = f". Did you mean {near}?" if near is not None else ""
            raise UsageError(
                f"{option} {factory.said}: there is no {factory.attribute!r} in {place}{hint}",
                _listed(place, known),
            ) from None
    if not known:
        raise UsageError(f"{option} {place} names no factory", _listed(place, known))
    raise UsageError(
        f"{option} {place} names no factory. {_listed(place, known)}", f"give {option} {place}:{known[0]}"
    )


def _listed(place: str, known: list[str]) -> str:
    if not known:
        return f"{place} has nothing that makes a model: write a function without arguments that returns it"
    more = f", and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"{place} has: {', '.join(known[:_LISTED])}{more}"


def _factories(module: ModuleType) -> list[str]:
    """What ``module`` itself defines and gives a model without arguments: functions, then modules, then their classes."""
    from torch import nn

    functions, models, classes = [], [], []
    for name, value in vars(module).items():
        is_own = getattr(value, "__module__", None) == module.__name__
        if name.startswith("_"):
            continue
        if isinstance(value, nn.Module):
            models.append(name)
        elif isinstance(value, type):
            if is_own and issubclass(value, nn.Module) and not _needed(value):
                classes.append(name)
        elif is_own and callable(value) and not _needed(value) and _may_return_a_model(value):
            functions.append(name)
    return functions + models + classes


def _may_return_a_model(function: object) -> bool:
    """Unless it is said to return nothing."""
    return getattr(function, "__annotations__", {}).get("return", "") not in (None, "None")


def _needed(factory: object) -> list[str]:
    """The arguments that a factory cannot be called without."""
    from torch import nn

    if isinstance(factory, nn.Module) or not callable(factory):
        return []
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # of what is written in C
        return []
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in starred]


def _called(found: object, factory: Factory, option: str) -> object:
    from torch import nn

    if not callable(found) or isinstance(found, nn.Module):
        return found
    try:
        return found()
    except (Exception, SystemExit) as error:  # a user's factory raises what it likes
        raise InputError(
            f"{option} {factory.said} failed: {type(error).__name__}: {reason_of(error)}",
            "call the factory in Python to see where (--debug shows the traceback)",
        ) from error
