"""Which operator is named first: what is wrong in itself, or what the number format ends before."""

from __future__ import annotations

import math

from cloformer.export.parity.report import OperatorResult, first_lossy, first_out_of_line


def _result(node: str, verdict: str, *reads: str, total: float = 0.0) -> OperatorResult:
    return OperatorResult(
        value=node, node=node, operator="aten.add.Tensor", module="", location="", group=(node,), reads=reads, depth=0,
        own_error=0.0, total_error=total, tolerance=1.0, largest=1.0, case="noise", verdict=verdict,
    )  # fmt: skip


SQUARE = _result("square", "overflows", total=math.inf)
MASK = _result("mask", "overflows", total=0.5)


def test_what_was_given_infinities_is_not_named_before_what_made_them() -> None:
    between, after = _result("between", "inherited", "square"), _result("after", "wrong here", "between")
    assert first_out_of_line([SQUARE, between, after], overflows=True) is SQUARE
    assert first_out_of_line([SQUARE, between, after], overflows=False) is after


def test_what_is_wrong_by_itself_is_named_before_what_overflows() -> None:
    """Beside an overflow, and behind the large numbers of a mask."""
    beside, behind = _result("beside", "wrong here", "image"), _result("behind", "wrong here", "mask")
    assert first_out_of_line([SQUARE, beside], overflows=True) is beside
    assert first_out_of_line([MASK, behind], overflows=True) is behind
    assert first_out_of_line([MASK, SQUARE], overflows=True) is MASK
    assert first_out_of_line([MASK, _result("last", "right")], overflows=False) is None


def test_of_what_is_lost_the_first_that_has_lost_as_much_is_named_or_the_most() -> None:
    little, much, most = (
        _result(name, "right", total=total) for name, total in (("a", 0.01), ("b", 0.2), ("c", 0.4))
    )
    assert first_lossy([little, much, most], 0.1) is much
    assert first_lossy([little, much, most], math.inf) is most
    assert first_lossy([_result("exact", "right")], 0.1) is None
    assert first_lossy([], 0.1) is None
