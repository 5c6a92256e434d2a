"""What a program may compute is the same however often it asks: costs that are kept are costs that are added."""

from __future__ import annotations

import pytest
import torch

from cloformer.errors import InputError
from cloformer.export.formats.coreml.mil.work_limit import LimitedWork
from cloformer.export.formats.work_limit import OF_AN_ELEMENT, EndlessWorkError, WorkMeter


def _meter(most: int) -> WorkMeter:
    return WorkMeter("a program", most)


def test_a_call_costs_the_same_again() -> None:
    """A product of 8x16 and 16x4: 512 multiply-adds, and 32 elements."""
    cost = 8 * 16 * 4 + OF_AN_ELEMENT * 8 * 4
    a, b = torch.ones(8, 16), torch.ones(16, 4)
    for _ in range(2):
        with LimitedWork(_meter(3 * cost)):
            for _ in range(3):
                torch.mm(a, b)
        with pytest.raises(EndlessWorkError), LimitedWork(_meter(3 * cost - 1)):
            for _ in range(3):
                torch.mm(a, b)


def test_another_number_that_decides_the_shape_has_a_cost_of_its_own() -> None:
    cost = OF_AN_ELEMENT * 4
    with LimitedWork(_meter(cost)):
        torch.full((4,), 1.0)
    for size in (5, 4000):
        with pytest.raises(EndlessWorkError), LimitedWork(_meter(cost)):
            torch.full((size,), 1.0)


def test_a_value_too_large_is_refused_every_time() -> None:
    row, column = torch.ones(1, 2**15), torch.ones(2**14, 1)
    for _ in range(2):
        with (
            pytest.raises(InputError, match="a value of the program has the shape"),
            LimitedWork(_meter(10**15)),
        ):
            torch.mul(row, column)
