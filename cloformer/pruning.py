"""Pruning that leaves a smaller network: hidden channels of the ConvFFNs and whole attention heads go, with the weights on
both sides of them; nothing is masked.

A unit is a hidden channel or a head. Units of one layer form a :class:`Layer`, which says which weights each unit owns.
:func:`plan` chooses the units that go, and :func:`pruned` makes the network without them.

What a removed unit adds whatever comes in, moves into the bias of the layer that read it: the bias of a channel's depthwise
convolution, and of a head's values, whose weights of attention sum to 1. Hence the law: where only dead units go, the
network computes what it computed (:meth:`~cloformer.pruning_layers.Layer.dead`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .checkpoint_file import Checkpoint
from .errors import UnsupportedError
from .model import CloFormer
from .pruning_layers import Layer, layers_of
from .variants import KINDS, PRUNED, Widths

__all__ = ["CRITERIA", "Plan", "Pruned", "plan", "pruned", "pruned_metadata"]


@dataclass(frozen=True)
class Pruned:
    """One layer's units: how many it had, which stay, in their order, and how many of those that go are dead."""

    layer: Layer
    units: int
    kept: tuple[int, ...]
    dead: int

    @property
    def removed(self) -> list[int]:
        return sorted(set(range(self.units)) - set(self.kept))


@dataclass(frozen=True)
class Plan:
    """Every layer of a network, in the order of its blocks."""

    layers: tuple[Pruned, ...]

    def of(self, kind: str) -> list[Pruned]:
        """The layers of one of :data:`~cloformer.variants.KINDS`."""
        return [each for each in self.layers if each.layer.kind == kind]

    def share(self, *kinds: str) -> float:
        """The share of the units of ``kinds`` that goes; 0 where there are none."""
        layers = [each for kind in kinds for each in self.of(kind)]
        units = sum(each.units for each in layers)
        return sum(len(each.removed) for each in layers) / units if units else 0.0


def plan(model: CloFormer, shares: Mapping[str, float], criterion: str, multiple_of: int = 1) -> Plan:
    """The units that go: of each kind about the share in ``shares``, the least important by ``criterion`` first, and every
    dead unit. Of hidden channels a multiple of ``multiple_of`` stays, the one nearest to what was asked.

    :class:`UnsupportedError` if a layer would be left with none.
    """
    tensors = {key: value.detach().double() for key, value in model.state_dict().items()}
    kept: dict[Layer, Pruned] = {}
    layers = list(layers_of(model))
    for kind in KINDS:
        share, step = shares.get(kind, 0.0), multiple_of if kind == "hidden" else 1
        dead = {layer: layer.dead(tensors) for layer in layers if layer.kind == kind}
        scores = {
            layer: torch.where(dead[layer], -1.0, CRITERIA[criterion].score(layer, tensors)) for layer in dead
        }
        stay = CRITERIA[criterion].stay(list(scores.values()), share)
        for layer, staying in zip(scores, stay, strict=True):
            kept[layer] = _chosen(layer, scores[layer], dead[layer], staying if share else None, step)
    return Plan(tuple(kept[layer] for layer in layers))


def pruned(model: CloFormer, chosen: Plan) -> CloFormer:
    """The network without the units that go, in the model's own types; the model itself is not changed.

    Law: where only dead units go, the outputs are equal in real arithmetic. Computed in float64, and rounded once.
    """
    tensors = {key: value.detach() for key, value in model.state_dict().items()}
    for each in chosen.layers:
        moved = each.layer.moved(tensors, each.removed)
        if moved is not None:
            tensors[each.layer.reader_bias] = moved
    going: dict[tuple[str, int], Tensor] = {}
    for each in chosen.layers:
        for part in each.layer.parts:
            place = part.key, part.axis
            gone = going.setdefault(place, torch.zeros(tensors[part.key].shape[part.axis], dtype=torch.bool))
            gone[part.places[each.removed].flatten()] = True
    for (key, axis), gone in going.items():
        tensors[key] = tensors[key].index_select(axis, (~gone).nonzero().flatten())
    with torch.device("meta"):
        smaller = CloFormer(
            model.variant,
            num_classes=model.head.out_features,
            in_chans=model.in_chans,
            drop_path_rate=model.drop_path_rate,
            widths=Widths(*(tuple(_widths(model, chosen, kind)) for kind in KINDS)),
        )
    smaller.load_state_dict({key: value.clone() for key, value in tensors.items()}, assign=True)
    return smaller.train(model.training)


def pruned_metadata(checkpoint: Checkpoint, smaller: CloFormer) -> dict[str, str]:
    """What the file of a pruned network says: all that ``checkpoint`` does but its scores, which are not this network's,
    how wide it is, and the hash of what it was pruned from."""
    said = {key: value for key, value in checkpoint.metadata.items() if key != "scores"}
    return {
        **said,
        "variant": smaller.variant.name,
        PRUNED: json.dumps(smaller.widths.to_json()),
        "pruned_from": checkpoint.sha256,
    }


def _widths(model: CloFormer, chosen: Plan, kind: str) -> Iterable[int]:
    """What is left of a kind in every block: 0 where a block has no such branch."""
    found = {each.layer.block: len(each.kept) for each in chosen.of(kind)}
    return (found.get(block, 0) for block in range(sum(model.variant.depths)))


def _chosen(layer: Layer, scores: Tensor, dead: Tensor, staying: float | None, step: int) -> Pruned:
    """The units that stay: ``staying`` of them, or all if it is None, in steps of ``step`` and at least one, but no dead
    one beyond what fills a step."""
    units, living = len(scores), int((~dead).sum())
    if staying is not None and staying < 0.5:
        raise UnsupportedError(
            f"{layer.name} would be left with none of its {units} {KINDS[layer.kind]}", "give a smaller share"
        )
    keep = units if staying is None else step * max(1, math.floor(staying / step + 0.5))
    keep = min(units, keep, step * max(1, math.ceil(living / step)))
    best = scores.argsort(descending=True, stable=True)[:keep]
    kept = tuple(sorted(best.tolist()))
    return Pruned(layer, units, kept, int(dead.sum() - dead[list(kept)].sum()))


@dataclass(frozen=True)
class Criterion:
    """How important each unit of a layer is, and how many of each layer of a kind stay for a share that goes."""

    score: Callable[[Layer, Mapping[str, Tensor]], Tensor]
    stay: Callable[[Sequence[Tensor], float], list[float]]


def _magnitude(layer: Layer, tensors: Mapping[str, Tensor]) -> Tensor:
    """The sum of the squares of a unit's weights."""
    return layer.summed({key: tensors[key].square() for key in layer.weights})


def _distortion(layer: Layer, tensors: Mapping[str, Tensor]) -> Tensor:
    """The sum of the information distortions of a unit's weights.

    A weight's is its square's share in the sum of the squares of its matrix's weights that are at least as large: what is
    lost of the matrix if it goes after all smaller ones. It is data-independent, keeps the order within a matrix, and does
    not depend on the matrix's scale, so that units of alike modules in different blocks can be compared, which magnitudes
    cannot (He and Zhou, "Data-independent Module-aware Pruning for Hierarchical Vision Transformers", arXiv 2404.13648).
    The publication scores and removes single weights; that a unit's score is the sum over its weights, and that the
    modules are the ConvFFNs, the local heads and the global heads, is our adaptation.
    """
    return layer.summed({key: _distortions(tensors[key]) for key in layer.weights})


def _distortions(weights: Tensor) -> Tensor:
    squares = weights.flatten().square()
    order = squares.argsort(descending=True, stable=True)
    shares = squares[order] / squares[order].cumsum(0).clamp_min(torch.finfo(squares.dtype).tiny)
    found = torch.empty_like(squares)
    found[order] = shares
    return found.reshape(weights.shape)


def _of_each_layer(scores: Sequence[Tensor], share: float) -> list[float]:
    """The same share of every layer goes."""
    return [(1 - share) * len(each) for each in scores]


def _of_all_layers(scores: Sequence[Tensor], share: float) -> list[float]:
    """The units of all layers are ranked together, and the last ones go; the best of each layer stays longest, as the best
    weight of each matrix does, whose share is 1."""
    if not scores:
        return []
    together = torch.cat([each.masked_fill(each == each.max(), math.inf) for each in scores])
    going = math.floor(share * len(together) + 0.5)
    stays = torch.ones(len(together), dtype=torch.bool)
    stays[together.argsort(stable=True)[:going]] = False
    return [float(part.sum()) for part in torch.split(stays, [len(each) for each in scores])]


CRITERIA = {
    # Weights in proportion to their matrix, so that blocks can be compared: the share falls on whichever layers it costs least.
    "distortion": Criterion(_distortion, _of_all_layers),
    # Weights of different stages are of different sizes: each layer is ranked by itself.
    "magnitude": Criterion(_magnitude, _of_each_layer),
}
