"""The files between the emulated device and this process: a case's numbers, and the marks that the counter writes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cloformer.errors import InputError
from cloformer.io.numbers import whole

from ..artifact.folder import Artifact
from ..formats.runners import Array
from ..source.signature import TensorSpec

__all__ = ["TYPES", "read_counts", "read_outputs", "read_readings", "write_input"]

# As ONNX numbers them; the runners refuse others.
TYPES = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "float16": 10}


def write_input(path: Path, value: Array, spec: TensorSpec) -> None:
    """The bare numbers. :class:`InputError` if they are not what the model takes."""
    if value.shape != spec.shape or value.dtype != np.dtype(spec.dtype):
        raise InputError(
            f"{spec.name} is given as {value.dtype} {list(value.shape)}, and the model takes {spec.dtype} "
            f"{list(spec.shape)}",
            "the artifact's vectors do not fit its model: export it again",
        )
    laid_out = value.transpose(0, 2, 3, 1) if spec.channels_last else value
    path.write_bytes(np.ascontiguousarray(laid_out, np.dtype(spec.dtype).newbyteorder("<")).tobytes())


def read_outputs(artifact: Artifact, folder: Path, index: int, lines: Sequence[str]) -> dict[str, Array]:
    """The outputs of a case in the types and shapes that the runner told; one that it did not tell is left out."""
    names = {number: dtype for dtype, number in TYPES.items()}
    found = {}
    for line in lines:
        kind, *fields = line.split() or [""]
        if kind != "output" or len(fields) != 4 or int(fields[0]) != index:
            continue  # another fact, or what the runtime had to say
        shape = () if fields[3] == "scalar" else tuple(int(size) for size in fields[3].split("x"))
        content = (folder / f"{index}.out.{fields[1]}").read_bytes()
        dtype = np.dtype(names[int(fields[2])]).newbyteorder("<")
        found[artifact.signature.outputs[int(fields[1])].name] = np.frombuffer(content, dtype).reshape(shape)
    return found


def read_counts(path: Path, cases: int) -> tuple[int, ...] | None:
    """Instructions of each case; None if there are not as many."""
    counts = tuple(number for kind, number in _marks(path) if kind == "end")
    return counts if len(counts) == cases else None


def read_readings(path: Path) -> tuple[int, ...]:
    """Instructions of the last case until each reading of the clock in it."""
    marks = _marks(path)
    begun = max((place for place, (kind, _) in enumerate(marks) if kind == "begin"), default=len(marks))
    inside = itertools.takewhile(lambda mark: mark[0] == "reading", marks[begun + 1 :])
    return tuple(number for _, number in inside)


def _marks(path: Path) -> list[tuple[str, int]]:
    """What the plugin wrote: the kind of each mark, and instructions."""
    found = []
    for line in path.read_text("ascii").splitlines() if path.is_file() else []:
        kind, *number = line.split(" ")
        try:
            found.append((kind, whole(number[0], 1) if number else 0))
        except ValueError:
            return []
    return found
