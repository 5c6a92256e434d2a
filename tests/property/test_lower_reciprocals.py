from __future__ import annotations

import torch
from proof import Lambda, prove

from cloformer.export.passes.lower_reciprocals import LowerReciprocals


def test_law() -> None:
    """Both kinds, of what is positive, and one used twice."""
    law = lambda _, x: (x.square() + 1).reciprocal() + (x.square() + 0.5).rsqrt() * x.exp().rsqrt()  # noqa: E731
    found = prove(Lambda(law), LowerReciprocals(), (2, 3, 4), sites=3)
    assert found.count("div") == 3 and not {"reciprocal", "rsqrt"} & set(found)


def test_left_alone() -> None:
    prove(Lambda(lambda _, x: x / (x.square() + 1) + x.abs().sqrt()), LowerReciprocals(), (2, 4), sites=0)


def test_an_integer_is_left_alone() -> None:
    law = lambda _, x: x * torch.reciprocal(torch.arange(1, 5))  # noqa: E731
    prove(Lambda(law), LowerReciprocals(), (2, 4), sites=0)
