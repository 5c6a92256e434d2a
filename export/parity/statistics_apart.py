"""What a normalization gives beside the statistics that it takes: where sums are narrow, its mean and its variance may be far off.

Numbers that are normalized together have one mean and one variance. However wrong these are, what a kernel makes of them is one shift
and one scale of what is right: ``got = a z g + b g + c``, with the gain ``g`` and the bias ``c`` of the model, and ``a`` and ``b`` alike
for all of them. What is left beside the nearest of these is rounded number by number, and is as small as anything else that is.
Another mistake, as one of axes, of an epsilon for each channel, or of a gain, leaves more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..passes.rewriter import arguments
from ..reference.conditioning import statistics
from ..reference.natures import operator_name

if TYPE_CHECKING:
    from torch import fx

    from .group import Group

__all__ = ["beside_statistics"]

_BY_CHANNEL = ("group_norm", "instance_norm")
_OVER_THE_LAST = ("layer_norm", "native_layer_norm")


def beside_statistics(group: Group, want: Tensor, got: Tensor) -> tuple[Tensor, Tensor] | None:
    """What is left of ``got`` beside the nearest shift and scale of ``want`` for numbers that are normalized together; and how large the
    numbers are that a kernel adds on its way to each, of which every one is rounded. None of a group that does anything but to normalize."""
    node = group.nodes[-1]
    if group.computing != [node] or group.piece not in (None, 0) or not bool(got.isfinite().all()):
        return None
    values = {**group.leaves, **group.computed()}
    found = statistics(node, values)
    if found is None:
        return None
    bound = arguments(node)
    gain, bias = (_broadcast(node, values.get(bound.get(name)), want) for name in ("weight", "bias"))  # type: ignore[arg-type]
    scaled = torch.ones_like(want) if gain is None else gain
    shifted = want if bias is None else want - bias
    rows = _together(node, bound, want)
    given = got if bias is None else got - bias
    p, q, r = (part.reshape(rows, -1) for part in (shifted, scaled, given.double()))
    basis = torch.stack((p, q), dim=-1)  # (rows, numbers, 2)
    inverse = torch.linalg.pinv(basis.mT @ basis, hermitian=True)
    nearest = basis @ (inverse @ (basis.mT @ r[..., None]))
    left = (r - nearest[..., 0]).abs().reshape(want.shape)
    return left, (found.size * scaled).abs() + want.abs() + (0.0 if bias is None else bias.abs())


def _broadcast(node: fx.Node, value: object, want: Tensor) -> Tensor | None:
    """A gain or a bias at each place of the result."""
    if not isinstance(value, Tensor):
        return None
    if operator_name(node.target) in _BY_CHANNEL:
        value = value.reshape(1, -1, *[1] * (want.ndim - 2))
    return value.double().expand(want.shape)


def _together(node: fx.Node, bound: Mapping[str, object], want: Tensor) -> int:
    """How many sets of numbers there are that are normalized together, of which each is one run of the result."""
    name = operator_name(node.target)
    if name in _OVER_THE_LAST:
        shape = bound["normalized_shape"]
        assert isinstance(shape, (list, tuple))
        return math.prod(want.shape[: want.ndim - len(shape)])
    if name == "group_norm":
        groups = bound["num_groups"]
        assert isinstance(groups, int)
        return want.shape[0] * groups
    return want.shape[0] * want.shape[1]
