from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from proof import Lambda, prove, traced
from torch import Tensor

from cloformer.export.passes import apply_passes
from cloformer.export.passes.number_as_float import NumberAsFloat


@pytest.mark.parametrize(
    "law",
    [lambda _, x: 2 * x, lambda _, x: x + 3, lambda _, x: torch.sub(x, 3, alpha=2), lambda _, x: x / 7],
    ids=["times", "plus", "minus so many times", "over"],
)
def test_law(law: Callable[[object, Tensor], Tensor]) -> None:
    prove(Lambda(law), NumberAsFloat(), (2, 3), sites=1)


@pytest.mark.parametrize("law", [lambda _, x: 2.5 * x, lambda _, x: x + x], ids=["a float", "a tensor"])
def test_what_is_left_alone(law: Callable[[object, Tensor], Tensor]) -> None:
    prove(Lambda(law), NumberAsFloat(), (2, 3), sites=0)


def test_whole_numbers_beside_whole_numbers_stay() -> None:
    step = traced(Lambda(lambda _, x: (x.to(torch.int64) * 2 + 1).float()), (2, 3))
    _, (applied,) = apply_passes(step, [NumberAsFloat()])
    assert applied.sites == ()
