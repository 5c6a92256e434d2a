from __future__ import annotations

import itertools
import math

import torch
from proof import Lambda, prove, rewritten, traced

from cloformer.export.passes.lower_arctangents import LowerArctangents


def test_law() -> None:
    found = prove(
        Lambda(lambda _, x, y: torch.atan2(y, x) + torch.atan2(x, 2 * y)),
        LowerArctangents(),
        (2, 3, 4),
        (2, 3, 4),
        sites=2,
    )
    assert "atan2" not in found


def test_on_the_axes_and_next_to_them() -> None:
    pairs = list(itertools.product([0.0, -0.0, 1.0, -1.0, 1e-9, -1e-9, 3e4, -3e4], repeat=2))
    y, x = torch.tensor(pairs).T.contiguous()
    after, _ = rewritten(traced(Lambda(lambda _, y, x: torch.atan2(y, x)), (64,), (64,)), LowerArctangents())
    (found,) = after.graph_module(y, x)
    torch.testing.assert_close(found, torch.tensor([math.atan2(*pair) for pair in pairs]))


def test_of_other_sizes_and_of_one_number() -> None:
    model = Lambda(lambda _, x, y: [torch.atan2(y, x), torch.atan2(y[0], x[0, 0]), torch.atan2(x, y[0])])
    prove(model, LowerArctangents(), (2, 3), (3,), sites=3)


def test_left_alone() -> None:
    """Coordinates of two types."""
    prove(Lambda(lambda _, x: torch.atan2(x, x.int())), LowerArctangents(), (2, 3), sites=0)
