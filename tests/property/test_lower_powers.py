from __future__ import annotations

import pytest
from proof import Lambda, prove

from cloformer.export.passes.lower_powers import LowerPowers


@pytest.mark.parametrize("exponent", [2, 2.0, 3, 4, 0.5, -0.5])
@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3, 2, 2)], ids=str)
def test_law(exponent: float, shape: tuple[int, ...]) -> None:
    found = prove(Lambda(lambda m, x: x.exp() ** exponent), LowerPowers(), shape, sites=1)
    assert "pow" not in found


def test_of_negative_numbers() -> None:
    prove(Lambda(lambda m, x: (-x.exp()) ** 3 + x**2), LowerPowers(), (2, 3), sites=2)


def test_of_whole_numbers() -> None:
    """And none that are roots, which are numbers."""
    model = Lambda(lambda m, x: [(9 * x).long() ** 2, (9 * x).int() ** 3, (9 * x).long() ** 2.0])
    prove(model, LowerPowers(), (2, 3), sites=2)


_LEFT_ALONE = {
    "another exponent": lambda m, x: x.exp() ** 1.5,
    "a tensor's": lambda m, x: x.exp() ** x,
    "of a number": lambda m, x: 2.0**x,
    "a root of whole numbers": lambda m, x: x.long().abs() ** 0.5 * x,
}


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_left_alone(name: str) -> None:
    prove(Lambda(_LEFT_ALONE[name]), LowerPowers(), (2, 3), sites=0)
