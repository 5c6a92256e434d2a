"""Which value of a file an operator of ONNX Runtime's computes, by the name that its optimizer left it with.

A profile that a device wrote has names of operators and none of values. The optimizer keeps the name of an operator that it
rewrites, and adds to it; what it inserts, and what a provider makes of several operators, has no name of the file's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from .file import read_onnx

__all__ = ["values_by_node"]

_COUNTED = re.compile(r"_token_[0-9]+$")  # what makes a name unique


def values_by_node(path: Path) -> Callable[[str], str | None]:
    """A function from the name of an operator to its first output in the file, None if it is not one of the file's.

    Raises :class:`InputError` for a file that is no ONNX model.
    """
    first = {
        node.name: str(node.output[0]) for node in read_onnx(path).graph.node if node.name and node.output
    }

    def find(name: str) -> str | None:
        rest = _COUNTED.sub("", name).removesuffix("_nchwc")
        while rest and rest not in first:
            rest = rest.rpartition("/")[0]  # a fusion's own name behind that of the operator
        return first.get(rest)

    return find
