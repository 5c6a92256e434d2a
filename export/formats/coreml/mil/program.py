"""An ML Program as values: what a saved package says, and nothing inferred.

Follows ``MIL.proto`` of the Core ML specification (https://github.com/apple/coremltools, ``mlmodel/format``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

__all__ = ["CONSTEXPR", "Argument", "Constant", "Function", "Operation", "Program", "TensorType", "Value"]

CONSTEXPR = "constexpr_"  # operators of constants only: they decompress weights when a program is loaded


@dataclass(frozen=True)
class TensorType:
    """``dtype`` by MIL's own name in lower case (``float16``, ``int4``, ``string``); None in ``shape`` is a size
    known when the program runs, and ``shape`` None a rank known only then."""

    dtype: str
    shape: tuple[int | None, ...] | None
    is_state: bool = False

    def __str__(self) -> str:
        sizes = (
            "?"
            if self.shape is None
            else ", ".join("?" if size is None else str(size) for size in self.shape)
        )
        return f"{self.dtype}[{sizes}]"


@dataclass(frozen=True)
class Value:
    """Something that has a name while the program runs: an input, or what an operation gives."""

    name: str
    type: TensorType


@dataclass(frozen=True)
class Constant:
    """A value written in the program: a tensor; a string or a list of strings are what they are."""

    type: TensorType
    value: torch.Tensor | str | list[str]


# What an operation is given under one parameter's name: values by name, constants; several if variadic.
Argument = tuple[str | Constant, ...]


@dataclass(frozen=True)
class Operation:
    """``location`` is where the file has it (``main/12``): names may be missing, this never is."""

    kind: str
    name: str
    inputs: Mapping[str, Argument]
    outputs: tuple[Value, ...]
    location: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name or self.location}"

    def reads(self) -> list[str]:
        """The names of all values it reads."""
        return [item for argument in self.inputs.values() for item in argument if isinstance(item, str)]


@dataclass(frozen=True)
class Function:
    """Operations in the order they run; ``outputs`` names what comes out."""

    name: str
    opset: str
    inputs: tuple[Value, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    functions: Mapping[str, Function]
    metadata: Mapping[str, str] = field(default_factory=dict)
