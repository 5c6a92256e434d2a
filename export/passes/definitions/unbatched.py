"""Layers of one image without a batch, as of a batch of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ._table import DEFINITIONS, defines

aten = torch.ops.aten

# By the axes that they slide along, beside the channels.
_LAYERS: dict[int, tuple[Any, ...]] = {
    1: (aten.conv1d.default, aten.avg_pool1d.default, aten.adaptive_avg_pool1d.default, aten.adaptive_max_pool1d.default),
    2: (aten.conv2d.default, aten.avg_pool2d.default, aten.adaptive_avg_pool2d.default, aten.adaptive_max_pool2d.default),
    3: (aten.conv3d.default, aten.avg_pool3d.default),
}  # fmt: skip


def _of_one(target: Any, rank: int) -> Callable[..., Any]:
    def of_one(**given: Any) -> Any:
        name, x = next(iter(given.items()))
        if x.ndim != rank + 1:
            return NotImplemented
        return pytree.tree_map(lambda item: item.squeeze(0), target(**given | {name: x.unsqueeze(0)}))

    return of_one


for _rank, _targets in _LAYERS.items():
    for _target in _targets:
        assert _target not in DEFINITIONS
        defines(_target)(_of_one(_target, _rank))
