"""Where in a user's code something came from: of a traced node, and of an error."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch
from torch import fx, nn

import cloformer
from cloformer.io.causes import causes

from .origin import Origin

__all__ = ["forward_of", "place_of", "read_origin"]

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>[0-9]+)(?:, in (?P<function>[\w.<>]+))?')
_TORCH_FOLDER = str(Path(torch.__file__).parent)
_NOT_THE_USERS = (
    "<",
    _TORCH_FOLDER,
    str(Path(__file__).resolve().parents[1]),
    str(Path(cloformer.__file__).parent),
)


def read_origin(node: fx.Node) -> Origin:
    """The innermost module of the user's (torch's own are parts of it) and the line it was at. A line in another file than
    the module's class is told by its own module and function."""
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(modules[-1][0]) if modules else ""
    names = [
        kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}" for _, kind in modules
    ]
    names = [name for name in names if "." in name]
    own = [name for name in names if not name.startswith("torch.")] or names
    if not own:
        return Origin(node.name, "", "")
    module, _, kind = own[-1].rpartition(".")
    return Origin(node.name, path.replace("L__self__.", ""), _location(node, module, kind))


def _location(node: fx.Node, module: str, kind: str) -> str:
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    users = [frame for frame in frames if not frame[0].startswith(_TORCH_FOLDER)]
    if not users:
        return f"{module}:{kind}"
    file, line, function = users[-1]
    held = _module_of(file)
    if held is None or not function or f"{module}.".startswith(f"{held}."):  # a class may be inside another
        return f"{module}:{kind}:{line}"
    return f"{held}:{function}:{line}"


@lru_cache(maxsize=1024)
def _module_of(file: str) -> str | None:
    """The name of the module that was loaded from ``file``."""
    loaded = list(sys.modules.items())
    return next((name for name, each in loaded if vars(each).get("__file__") == file), None)


class _Passed(NamedTuple):
    """What an error passed through on its way out of a model."""

    parts: list[nn.Module]  # the outermost first
    line: str | None  # the innermost of the user's, as ``module:Class:line``


def place_of(error: BaseException, model: nn.Module) -> str:
    """The module in ``model`` that ``error`` was raised in and the innermost line of the user's that it passed through: of
    what no line of theirs was at, a missing argument or a layer in an ``nn.Sequential``, where that is defined."""
    names = {id(part): name for name, part in model.named_modules()}
    found = _Passed([], None)
    for raised in causes(error):
        passed = _passed(raised, names)
        found = _Passed(found.parts or passed.parts, found.line or passed.line)
    parts = found.parts or [model]
    told = [item for item in _FRAME.findall(str(error)) if not item[0].startswith(_NOT_THE_USERS)]
    line = found.line or (f"{Path(told[-1][0]).name}, line {told[-1][1]}" if told else _defined(parts))
    return str(Origin("", names.get(id(parts[-1]), ""), line))


def forward_of(model: nn.Module) -> str:
    """Where the model's ``forward`` is defined, as ``module:Class:line``."""
    return str(Origin("", "", _defined([model])))


def _passed(error: BaseException, names: dict[int, str]) -> _Passed:
    parts: list[nn.Module] = []
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        held = _owner(frame)
        if isinstance(held, nn.Module) and id(held) in names:
            parts.append(held)
        if parts and not frame.f_code.co_filename.startswith(_NOT_THE_USERS):
            line = f"{_of_frame(frame, held)}:{number}"
    return _Passed(parts, line)


def _owner(frame: FrameType) -> object:
    """What a method's first argument is, whatever it is called; None of a function."""
    code = frame.f_code
    held = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    return held if hasattr(type(held), code.co_name) else None


def _of_frame(frame: FrameType, held: object) -> str:
    """``module:Class`` of a method that the class, or one that it inherits from, has in this file; else of the function."""
    module = str(frame.f_globals.get("__name__", ""))
    kinds = type(held).__mro__ if isinstance(held, nn.Module) else ()
    own = next((_class(kind) for kind in kinds if kind.__module__ == module), None)
    return own or f"{module}:{frame.f_code.co_name.strip('<>')}"


def _class(kind: type) -> str:
    return ":".join(f"{kind.__module__}.{kind.__qualname__}".rsplit(".", 1))


def _defined(parts: list[nn.Module]) -> str:
    """The innermost ``forward``, or else class, that is not torch's; the innermost class where all are."""
    kinds = [kind for part in reversed(parts) for kind in type(part).__mro__]
    found = next(
        (place for find in (_forward_line, _class_line) for kind in kinds for place in find(kind)), None
    )
    return found or _class(kinds[0])


def _forward_line(kind: type) -> Iterator[str]:
    forward = vars(kind).get("forward")
    code = getattr(inspect.unwrap(forward), "__code__", None) if callable(forward) else None
    if code is not None and not code.co_filename.startswith(_NOT_THE_USERS):
        yield f"{_class(kind)}:{code.co_firstlineno}"


def _class_line(kind: type) -> Iterator[str]:
    try:
        file, (_, line) = inspect.getsourcefile(kind) or "<", inspect.getsourcelines(kind)
    except (OSError, TypeError):  # of what has no source
        return
    if not file.startswith((*_NOT_THE_USERS, str(Path(inspect.__file__).parent))):
        yield f"{_class(kind)}:{line}"
