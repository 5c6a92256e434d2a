"""What a module returns, made flat: the tensors alone, in order, each with a name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils import _pytree as pytree

from cloformer.errors import UnsupportedError

from .attempt import attempt, example_inputs
from .frames import forward_of
from .signature import TensorSpec

__all__ = ["Returned", "as_tensors", "look", "output_names"]

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Returned:
    """How many tensors a module returns, their names (none, if it has none for them), and what is left out of the rest,
    for people."""

    count: int
    names: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def look(model: nn.Module, inputs: Sequence[TensorSpec]) -> Returned | None:
    """What ``model`` returns for ``inputs``; None of a model that does not run, of which tracing says why.

    Names are the keys of dictionaries and the fields of named tuples and of data classes that lead to a tensor, joined.
    Raises :class:`UnsupportedError` if there is none. From here on the model returns its tensors alone, flat.
    """
    tried = attempt(model, example_inputs(inputs))
    if not tried.succeeded:
        return None
    returned = tried.returned
    found = list(_parts(returned))
    if not _is_flat_already(returned, found):
        model.register_forward_hook(_only_tensors)
    if not any(isinstance(value, Tensor) for _, value in found):
        kinds = ", ".join(sorted({type(value).__name__ for _, value in found})) or "nothing"
        raise UnsupportedError(
            f"the model returns no tensor, but {kinds}",
            f"where: {forward_of(model)}",
            "return tensors, in tuples, lists, dictionaries or data classes",
        )
    paths = [path for path, value in found if isinstance(value, Tensor)]
    left_out = [
        f"output {place} of {len(found)} is {_what(value)}, and was left out"
        for place, (_, value) in enumerate(found, 1)
        if not isinstance(value, Tensor)
    ]
    return Returned(len(paths), _names(paths, [spec.name for spec in inputs]), tuple(left_out))


def as_tensors(returned: object) -> tuple[Tensor, ...]:
    """The tensors in what a module returned, in order."""
    return tuple(value for _, value in _parts(returned) if isinstance(value, Tensor))


def output_names(names: Sequence[str], outputs: int) -> list[str]:
    """Those that are given, or numbers."""
    return list(names) or ["output" if outputs == 1 else f"output_{place}" for place in range(outputs)]


def _only_tensors(_module: nn.Module, _inputs: object, returned: object) -> tuple[Tensor, ...]:
    return as_tensors(returned)


def _parts(value: object, path: _Path = ()) -> Iterator[tuple[_Path, object]]:
    """Everything in containers, with the keys, fields and places that lead to it."""
    if isinstance(value, Mapping):
        inside: list[tuple[object, object]] = list(value.items())
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        inside = list(zip(value._fields, value, strict=True))
    elif isinstance(value, (list, tuple)):
        inside = list(enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        inside = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    else:
        yield path, value
        return
    for key, item in inside:
        yield from _parts(item, (*path, key if isinstance(key, int) else str(key)))


def _is_flat_already(returned: object, found: Sequence[tuple[_Path, object]]) -> bool:
    """Whether torch sees the same tensors in it, and nothing else."""
    leaves = pytree.tree_leaves(returned)
    return len(leaves) == len(found) and all(
        isinstance(leaf, Tensor) and leaf is value for leaf, (_, value) in zip(leaves, found, strict=True)
    )


def _what(value: object) -> str:
    if value is None:
        return "None in evaluation mode"
    if isinstance(value, (bool, int, float)):
        return f"the number {value}"
    return f"no tensor but a {type(value).__name__}"


def _names(paths: Sequence[_Path], taken: Sequence[str]) -> tuple[str, ...]:
    """An identifier for each path, no two alike and none that an input has; none at all where no path has a word."""
    if not any(isinstance(part, str) for path in paths for part in path):
        return ()
    found: list[str] = []
    for place, path in enumerate(paths):
        words = "_".join(re.sub(r"\W+", "_", str(part)).strip("_") for part in path)
        is_named = any(isinstance(part, str) for part in path) and words.strip("_") != ""
        name = words if is_named else f"output_{place}"
        name = name if name.isidentifier() else f"output_{name}"
        while name in found or name in taken:
            name += "_out" if name in taken else "_2"
        found.append(name)
    return tuple(found)
