"""Where in a user's code something came from: of a traced node, and of an error."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import torch
from torch import fx

import cloformer

from .origin import Origin

__all__ = ["innermost_frame", "read_origin"]

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>[0-9]+)')
_TORCH_FOLDER = str(Path(torch.__file__).parent)
_NOT_THE_USERS = (
    "<",
    _TORCH_FOLDER,
    str(Path(__file__).resolve().parents[1]),
    str(Path(cloformer.__file__).parent),
)


def read_origin(node: fx.Node) -> Origin:
    """The innermost module of the user's (torch's own are parts of it) and the line it was at."""
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(modules[-1][0]) if modules else ""
    names = [
        kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}" for _, kind in modules
    ]
    names = [name for name in names if "." in name]
    own = [name for name in names if not name.startswith("torch.")] or names
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    lines = [line for file, line in frames if not file.startswith(_TORCH_FOLDER)]
    if not own:
        return Origin(node.name, "", "")
    module, _, kind = own[-1].rpartition(".")
    return Origin(node.name, path.replace("L__self__.", ""), ":".join([module, kind, *lines[-1:]]))


def innermost_frame(error: BaseException) -> str:
    """``file.py, line`` of the deepest frame outside torch and this package that the error tells of, or else that it passed
    through, by the file's name alone."""
    told = _FRAME.findall(str(error))
    passed = [(frame.filename, str(frame.lineno)) for frame in traceback.extract_tb(error.__traceback__)]
    for frames in (told, passed):
        own = [(file, line) for file, line in frames if not file.startswith(_NOT_THE_USERS)]
        if own:
            return f"{Path(own[-1][0]).name}, line {own[-1][1]}"
    return "not said"
