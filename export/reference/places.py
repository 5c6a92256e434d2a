"""Operators that look for a place: where the largest is, or in what order numbers are. A place that stands as high as the
best, but for rounding, is as good."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, fx

from ..passes.rewriter import arguments
from .natures import operator_name

__all__ = ["Search", "as_good", "search_of", "undecided"]

_ALONE = ("argmax", "argmin", "argsort")
_BESIDE = (
    "topk",
    "sort",
    "max",
    "min",
    "kthvalue",
    "median",
)  # which give the numbers first, and their places second
# Of which PyTorch does not say which of equal numbers comes first, unless it is asked to keep them in order; of the largest and
# the smallest it is the first.
_IN_ANY_ORDER = ("argsort", "topk", "sort", "kthvalue", "median")
_SAME = ("_to_copy", "to", "alias", "clone", "detach", "lift_fresh_copy")


@dataclass(frozen=True)
class Search:
    """A node that looks for places in ``operand`` along ``dim``; in all of it if that is None."""

    node: fx.Node
    operand: fx.Node
    dim: int | None


def search_of(node: fx.Node) -> Search | None:
    """The search whose places are this node's value, all or the first of them, say; None if it gives something else."""
    node, axes = _before(node)
    found = _places_of(node)
    if found is None or not axes:
        return found
    rank = found.operand.meta["val"].ndim
    is_along = found.dim is not None and all(axis % rank == found.dim % rank for axis in axes)
    return found if is_along else None


def _before(node: fx.Node) -> tuple[fx.Node, list[int]]:
    """What the node gives as it is, or some of, and along which axes it takes them; one that takes an axis away is the last."""
    axes: list[int] = []
    while len(node.all_input_nodes) == 1:
        name = operator_name(node.target)
        if name == "slice" or (name == "select" and not axes):
            axes.append(arguments(node)["dim"])
        elif name not in _SAME:
            break
        node = node.all_input_nodes[0]
    return node, axes


def _places_of(node: fx.Node) -> Search | None:
    name = operator_name(node.target)
    if name == "getitem" and node.args[1] == 1:
        searched = node.args[0]
        assert isinstance(searched, fx.Node)
        return _search(searched) if operator_name(searched.target) in _BESIDE else None
    return _search(node) if name in _ALONE else None


def _search(node: fx.Node) -> Search | None:
    name = operator_name(node.target)
    operand = node.all_input_nodes[0]
    place = 2 if name in ("topk", "kthvalue") else 1
    given = node.args[place] if len(node.args) > place else node.kwargs.get("dim")
    if given is None and name in ("topk", "sort", "argsort", "kthvalue"):
        given = -1
    value = operand.meta.get("val")
    if not isinstance(value, Tensor) or not (given is None or isinstance(given, int)):
        return None
    if not value.is_floating_point() and (name not in _IN_ANY_ORDER or _keeps_order(node)):
        return None
    return Search(node, operand, given)


def _keeps_order(node: fx.Node) -> bool:
    return bool(arguments(node).get("stable"))


def undecided(operand: Tensor, places: Tensor, dim: int | None, margin: float) -> Tensor:
    """For each of the places, whether what stands there has another within ``margin`` of it along ``dim``."""
    shape = places.shape
    operand, places = operand.double(), places.long()
    if dim is None:
        operand, places, dim = operand.flatten(), places.reshape(1), 0
    elif places.ndim < operand.ndim:
        places = places.unsqueeze(dim)
    standing = operand.gather(dim, places).movedim(dim, -1).contiguous()
    ordered = operand.sort(dim).values.movedim(dim, -1).contiguous()
    above = torch.searchsorted(ordered, standing + margin, right=True)
    near = above - torch.searchsorted(ordered, standing - margin)
    found: Tensor = near > 1
    return found.movedim(-1, dim).reshape(shape)


def as_good(operand: Tensor, got: Tensor, best: Tensor, dim: int | None, margin: float) -> Tensor:
    """For each place of ``got``, whether what stands there is within ``margin`` of what stands at ``best``'s, and no place
    is given twice along ``dim``."""
    shape = got.shape
    got, best = got.long(), best.long()
    if dim is None:
        operand, got, best, dim = operand.flatten(), got.reshape(1), best.reshape(1), 0
    elif got.ndim < operand.ndim:
        got, best = got.unsqueeze(dim), best.unsqueeze(dim)
    inside = (got >= 0) & (got < operand.shape[dim])
    there = got.clamp(0, operand.shape[dim] - 1)
    standing, wanted = operand.gather(dim, there), operand.gather(dim, best)
    near = inside & ((standing == wanted) | ((standing - wanted).abs() <= margin))
    if got.shape[dim] > 1:
        near &= ~(there.sort(dim).values.diff(dim=dim) == 0).any(dim, keepdim=True)
    return near.reshape(shape)
