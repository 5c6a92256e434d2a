"""What a row of the zoo is: a network's name, its style, what makes it, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from cloformer.export.source.signature import TensorSpec

__all__ = ["Network", "image", "numbers", "rows", "truths", "whole"]


@dataclass(frozen=True)
class Network:
    """``factory`` makes it with PyTorch's initial weights; ``inputs`` have a shape, a type and, of whole numbers, the
    lowest and the highest value."""

    name: str
    style: str
    factory: Callable[[], nn.Module]
    inputs: tuple[TensorSpec, ...]


def rows(style: str, table: Mapping[str, tuple[object, ...]]) -> dict[str, Network]:
    """The networks of a style by name, from a factory and the inputs of each."""
    return {name: Network(name, style, factory, tuple(inputs)) for name, (factory, *inputs) in table.items()}


def image(
    height: int, width: int | None = None, *, channels: int = 3, batch: int = 1, name: str = "image"
) -> TensorSpec:
    """A photograph, normalized."""
    return TensorSpec(name, (batch, channels, height, width or height), "float32", "image")


def numbers(name: str, *shape: int) -> TensorSpec:
    """Real numbers."""
    return TensorSpec(name, shape)


def whole(name: str, *shape: int, below: int, dtype: str = "int64") -> TensorSpec:
    """Whole numbers from 0, such as the tokens of a text."""
    return TensorSpec(name, shape, dtype, values=(0, below - 1))


def truths(name: str, *shape: int) -> TensorSpec:
    """True or false, such as a mask."""
    return TensorSpec(name, shape, "bool")
