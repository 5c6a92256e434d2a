"""Groups of layers, which are in 8 bits or in float together: the layers of one block, whose modules have the same parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..passes.layers import Layer
from ..source.trace import origin_of

__all__ = ["Group", "Sensitivity", "for_their_bytes", "groups_of"]


@dataclass(frozen=True)
class Group:
    """Layers by name, their weights' numbers, and the outputs, each of which has a scale. ``name`` is their modules' parent."""

    name: str
    layers: tuple[str, ...]
    numbers: int
    outputs: int


@dataclass(frozen=True)
class Sensitivity:
    """Of a group in 8 bits alone: the share of noise in its last value and in the outputs, as a power ratio; or its
    ``relevance``, by which it is ranked then."""

    group: Group
    own: float
    final: float
    relevance: float | None = None

    def to_json(self) -> dict[str, object]:
        measured = {"own_noise": self.own, "final_noise": self.final} if self.relevance is None else {}
        ranked = {} if self.relevance is None else {"relevance": self.relevance}
        return (
            {"group": self.group.name, "layers": list(self.group.layers), "numbers": self.group.numbers}
            | measured
            | ranked
        )

    @property
    def rank(self) -> float:
        """The higher, the more it costs."""
        return self.final if self.relevance is None else self.relevance


def groups_of(layers: Mapping[str, Layer]) -> list[Group]:
    """The layers by the parents of their modules, in the order in which they are met first; one without a parent is a group by
    itself."""
    found: dict[str, list[str]] = {}
    for name, layer in layers.items():
        module = origin_of(layer.node).module
        found.setdefault(module.rpartition(".")[0] or module or name, []).append(name)
    return [
        Group(
            parent,
            tuple(names),
            sum(layers[name].weight.numel() for name in names),
            sum(layers[name].channels for name in names),
        )
        for parent, names in found.items()
    ]


def for_their_bytes(ranked: Sequence[Sensitivity]) -> list[Sensitivity]:
    """Those first that cost the most for the bytes that they weigh."""
    return sorted(ranked, key=lambda item: item.rank / item.group.numbers, reverse=True)
