from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from proof import Lambda, operators, prove, rewritten, traced
from torch import Tensor, fx

from cloformer.export.passes.lower_rounding import LowerRounding

# All halves and quarters between -9 and 9, what lies next to them, and what has no fraction or no end.
EXACT = torch.arange(-36, 37, dtype=torch.float32) / 4
ODD = torch.tensor(
    [8388607.5, 16777215.0, -8388609.0, 3e38, 1e-40, float("inf"), float("-inf"), float("nan")]
)
NUMBERS = torch.cat([EXACT, EXACT.nextafter(EXACT + 1), EXACT.nextafter(EXACT - 1), ODD])

# Of 0.5, 1.5, -0.5 and -1.5: what a processor may do.
HALVES: dict[str, Callable[[Tensor], Tensor]] = {
    "to even": torch.round,
    "away from zero": lambda x: torch.where(x.frac().abs() == 0.5, x + x.sign() / 2, x.round()),
    "toward zero": lambda x: torch.where(x.frac().abs() == 0.5, x - x.sign() / 2, x.round()),
    "up": lambda x: torch.where(x.frac().abs() == 0.5, x + 0.5, x.round()),
    "down": lambda x: torch.where(x.frac().abs() == 0.5, x - 0.5, x.round()),
}


@pytest.mark.parametrize("halves", HALVES)
def test_halves_are_even_wherever_a_processor_puts_them(halves: str) -> None:
    class Processor(fx.Interpreter):
        def call_function(self, target, args, kwargs):
            if target is torch.ops.aten.round.default:
                return HALVES[halves](args[0])
            return super().call_function(target, args, kwargs)

    before = traced(Lambda(lambda _, x: x.round()), tuple(NUMBERS.shape))
    after, (applied,) = rewritten(before, LowerRounding())
    assert len(applied.sites) == 1
    (found,) = Processor(after.graph_module).run(NUMBERS)
    torch.testing.assert_close(found, NUMBERS.round(), rtol=0, atol=0, equal_nan=True)
    if halves != "to even":
        (plain,) = Processor(before.graph_module).run(NUMBERS)
        assert not torch.equal(plain.nan_to_num(), NUMBERS.round().nan_to_num())


def test_law() -> None:
    prove(Lambda(lambda _, x: (4 * x).round() / 4 + x.round()), LowerRounding(), (2, 3, 4), sites=2)


def test_whole_numbers_are_left_alone() -> None:
    before = traced(Lambda(lambda _, x: x * torch.arange(4).round()), (2, 4))
    after, (applied,) = rewritten(before, LowerRounding())
    assert not applied.sites and operators(after).count("round") == 1
