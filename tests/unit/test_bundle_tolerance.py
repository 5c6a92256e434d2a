"""What a device's outputs may be off by: as far as parity lets the same output be, and no farther."""

from __future__ import annotations

import numpy as np
import pytest

from cloformer.export.bundle.tolerance import bound_of, sharpest
from cloformer.export.parity.outputs import output_result
from cloformer.export.parity.tolerances import MARGIN, MOST_LOSS, OutputTolerance, output_tolerance
from cloformer.export.reference.cases import Case
from cloformer.export.reference.loss import RoundingLoss
from cloformer.export.reference.references import Expected
from cloformer.export.reference.rounding import Format
from cloformer.export.source.signature import TensorSpec

FP32 = Format.of("float32", narrow_sums=False)
WANT = np.array([[4.0, 2.0, -1.0, 0.5]], np.float32)


def _expected(jumps: list[float] | None, want: np.ndarray = WANT, role: str = "logits") -> Expected:
    whole = 1e-6
    losses = tuple(np.full(size, whole) for size in want.shape)
    found = None if jumps is None else np.array([jumps], np.float32)
    return Expected(
        TensorSpec("logits", want.shape, role=role), want, FP32, RoundingLoss(whole, 1.0, losses, found)
    )


@pytest.mark.parametrize("jumps", [None, [0, 0, 0, 0]])
def test_what_does_not_jump_has_the_bound_of_its_rounding(jumps: list[float] | None) -> None:
    item = _expected(jumps)
    assert bound_of(item, has_steps=True) == bound_of(item, has_steps=False) == output_tolerance(item)


def test_values_that_are_rounded_to_steps_jump_as_far_as_parity_lets_them() -> None:
    """A sound model in 8 bits is within it, which it is not within the bound of rounding alone; what parity fails is not."""
    item = _expected([0.01, 0, 0.03, 0])
    bound, case = bound_of(item, has_steps=True), Case("cat.jpg", "photograph", {}, is_usual=True)
    assert bound_of(item, has_steps=False).max_rel < 1e-5
    assert bound.max_rel == pytest.approx((2 * 0.03 + MARGIN * 1e-6) / 4, rel=1e-3)
    assert "rounding decides between two steps" in bound.because
    for times, is_held in ((0.99, True), (1.01, False)):
        got = WANT + np.array([[0, 0, times * bound.max_rel * 4, 0]])
        assert (output_result(case, got, item).failure is None) is is_held
    assert bound.judges


def test_jumps_as_large_as_the_output_tell_nothing() -> None:
    bound = bound_of(_expected([4, 0, 0, 0]), has_steps=True)
    assert (bound.judges, bound.loss >= 1) == (False, True)


def test_decisions_and_zeros_are_as_ever() -> None:
    for item in (
        _expected([1, 0, 0, 0], WANT.astype(np.int64)),
        _expected([1, 0, 0, 0], np.zeros((1, 4), np.float32)),
    ):
        assert bound_of(item, has_steps=True) == output_tolerance(item)


def _bound(loss: float) -> OutputTolerance:
    return OutputTolerance(MARGIN * loss, 0.5, f"{loss:g} is lost", loss, judges=loss <= MOST_LOSS)


@pytest.mark.parametrize(
    ("narrow", "wide", "max_rel", "too_coarse"),
    [
        (MOST_LOSS, 0.001, MARGIN * MOST_LOSS, None),
        (0.72, 0.001, MARGIN * 0.001, 0.72),
        (np.inf, MOST_LOSS, MARGIN * MOST_LOSS, np.inf),
        (0.72, 0.11, MARGIN * MOST_LOSS, 0.72),
        (np.inf, np.inf, MARGIN * MOST_LOSS, np.inf),
    ],
)
def test_no_bound_is_wider_than_that_of_an_output_that_judges(
    narrow: float, wide: float, max_rel: float, too_coarse: float | None
) -> None:
    """Sums in float32 where narrow ones tell nothing; where neither does, the widest that tells anything."""
    bound = sharpest(_bound(narrow), _bound(wide))
    assert (bound.max_rel, bound.too_coarse) == (max_rel, too_coarse)
    assert (f"{wide:g} is lost" in bound.because) is (too_coarse is not None and wide <= MOST_LOSS)


def test_a_map_that_rounding_decides_in_many_places_tells_nothing() -> None:
    for jumping, judges in ((2, True), (3, False)):
        jumps = [1.0] * jumping + [0.0] * (25 - jumping)
        want = np.ones((1, 25), np.int64)
        assert bound_of(_expected(jumps, want, role="class_map"), has_steps=False).judges is judges
