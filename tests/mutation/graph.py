"""A written model that can be damaged: one view of ONNX files and ML Programs.

Kinds, parameters and their values are named as ML Programs name them (``conv`` has ``x``, ``weight``, ``pad``);
:mod:`.onnx_graph` and :mod:`.mil_graph` translate.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from cloformer.export.artifact.folder import Artifact

__all__ = ["Array", "Graph", "Operator"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Operator:
    """An operator that computes. ``reads`` are the values of others by parameter ("x", "values 0");
    ``constants`` are the parameters that the file holds: weights, and settings such as "axis"."""

    index: int  # in the file, constants counted
    kind: str
    outputs: tuple[str, ...]
    reads: Mapping[str, str]
    constants: Mapping[str, Array]

    def number(self, name: str) -> float:
        return float(self.constants[name])

    def numbers(self, name: str) -> list[int]:
        return [int(item) for item in np.atleast_1d(self.constants[name])]


class Graph(ABC):
    """The operators of an artifact's model as exported, and edits on a copy of it.

    ``operators`` never change: one fault is planted at a time, and ``restore`` takes it back.
    """

    tanh_gelu: tuple[str, str]  # the setting of a GELU, and its value for the approximation by tanh
    edge: str  # padding by the number at the edge

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.operators: list[Operator] = []
        self.shapes: dict[str, tuple[int, ...]] = {}  # of every value; from a run of the sound model

    @abstractmethod
    def restore(self) -> None:
        """Take back all edits."""

    @abstractmethod
    def set(self, operator: Operator, name: str, value: Array | str) -> None:
        """Give the operator another constant, of its own even if it shared the old one."""

    @abstractmethod
    def drop(self, operator: Operator, name: str) -> None:
        """Leave out an optional parameter."""

    @abstractmethod
    def read(self, operator: Operator, name: str, value: str) -> None:
        """Let the operator read another value."""

    @abstractmethod
    def become(
        self, operator: Operator, kind: str, *, x: str | None = None, keep: tuple[str, ...] = ()
    ) -> None:
        """Make another operator of it, which reads ``x`` and keeps some parameters."""

    @abstractmethod
    def swap_outputs(self, operator: Operator, first: int, second: int) -> None:
        """Exchange the names of two outputs."""

    @abstractmethod
    def resize_otherwise(self, operator: Operator, random: Generator) -> str:
        """Let an operator that resizes take other places or another filter, and say which."""

    @abstractmethod
    def scale_results(self, factors: Mapping[str, float]) -> None:
        """Multiply these values, by name, where they are made."""

    @abstractmethod
    def _write_model(self, path: Path) -> None:
        """Write the damaged model over the sound one."""

    def write(self, folder: Path) -> Artifact:
        """The artifact with the damaged model. Its manifest is the sound one's: hashes do not match."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.artifact.folder, folder)
        copy = Artifact(folder, self.artifact.manifest)
        self._write_model(copy.model_path)
        return copy

    def earlier(self, operator: Operator, name: str) -> list[str]:
        """Other values of the same shape that are there when ``operator`` runs and that it does not read."""
        shape = self.shapes.get(operator.reads[name])  # None of the model's own inputs
        return [
            value
            for other in self.operators
            if other.index < operator.index
            for value in other.outputs
            if shape is not None and self.shapes.get(value) == shape and value not in operator.reads.values()
        ]
