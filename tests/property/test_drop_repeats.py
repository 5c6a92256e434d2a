from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from proof import Lambda, prove
from torch import Tensor

from cloformer.export.passes.drop_repeats import DropRepeats

_LAWS: dict[str, tuple[Callable[[Tensor, Tensor], object], int]] = {
    "a product": (lambda x, y: x * y.expand_as(x), 1),
    "on both sides": (lambda x, y: (y.expand(-1, 3, 4, 5) - x, torch.maximum(x, y.broadcast_to(x.shape))), 2),
    "of fewer axes": (lambda x, y: x + y[0].expand(2, 3, 1, 5), 1),
    "a norm": (lambda x, y: F.normalize(x, dim=1), 1),
    "twice by one": (lambda x, y: torch.where(x > 0, y.expand_as(x), y.expand_as(x)), 2),
    "read again": (lambda x, y: [x * (z := y.expand_as(x)), z.exp() + x], 0),
    "returned": (lambda x, y: [x * (z := y.expand_as(x)), z], 0),
    "what would be smaller": (lambda x, y: y.expand(2, 3, 4, 5) * y, 0),
    "of no elements by themselves": (lambda x, y: torch.cat([x, y.expand_as(x)]), 0),
}


@pytest.mark.parametrize("name", _LAWS)
def test_law(name: str) -> None:
    law, sites = _LAWS[name]
    prove(Lambda(lambda _, x, y: law(x, y)), DropRepeats(), (2, 3, 4, 5), (2, 3, 1, 5), sites=sites)
