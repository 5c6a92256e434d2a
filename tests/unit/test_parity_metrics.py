"""Figures of how far arrays are apart, worked out by hand; what is not finite is never close."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cloformer.export.parity.cost import Cost, Limits
from cloformer.export.parity.metrics import Figures, agreement, figures, worst

FAR = (math.inf, math.inf, -math.inf, 0.0)  # max_abs, max_rel, snr_db, cosine


def _far(found: Figures) -> tuple[float, ...]:
    return found.max_abs, found.max_rel, found.snr_db, found.cosine


def test_by_hand() -> None:
    found = figures(np.array([3.0, 4.5]), np.array([3.0, 4.0]))
    assert (found.max_abs, found.max_rel, found.largest) == (0.5, 0.125, 4.0)
    assert found.snr_db == pytest.approx(10 * math.log10(25 / 0.25))
    assert found.cosine == pytest.approx((9 + 18) / (5 * math.hypot(3, 4.5)))


def test_equal_arrays() -> None:
    assert figures(np.array([1, -2]), np.array([1.0, -2.0])) == Figures(
        0.0, 0.0, 2.0, math.inf, pytest.approx(1)
    )


def test_narrow_types_are_compared_as_float64() -> None:
    got, want = np.array([1], np.float16), np.array([1 + 2.0**-30])
    assert figures(got, want).max_abs == 2.0**-30
    assert figures(np.array([60000], np.float16), np.array([-60000], np.float16)).max_abs == 120000


def test_nothing_to_compare() -> None:
    assert figures(np.zeros((0, 3)), np.zeros((0, 3))) == Figures(0.0, 0.0, 0.0, math.inf, 1.0)


def test_equal_zeros() -> None:
    assert figures(np.zeros(3), np.zeros(3)) == Figures(0.0, 0.0, 0.0, math.inf, 1.0)


def test_infinities_that_agree_take_no_part() -> None:
    got = np.array([math.inf, -math.inf, 2.0])
    assert _far(figures(got, got)) == (0.0, 0.0, math.inf, 1.0)
    assert figures(got + np.array([0, 0, 0.5]), got).max_rel == 0.25


def test_what_no_square_holds() -> None:
    assert _far(figures(np.array([2e300, 0]), np.array([1e300, 0])))[:2] == (1e300, 1.0)


def test_zeros() -> None:
    """A reference of zeros has no size that an error could be a share of."""
    zeros = np.zeros(3)
    assert _far(figures(np.array([0, 1e-30, 0]), zeros)) == (1e-30, math.inf, -math.inf, 0.0)
    assert figures(zeros, np.array([0, 2.0, 0])) == Figures(2.0, 1.0, 2.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (math.nan, 1.0),
        (1.0, math.nan),
        (math.inf, math.nan),
        (math.nan, math.inf),
        (math.inf, 1.0),
        (-math.inf, 1.0),
        (1.0, math.inf),
        (-math.inf, math.inf),
    ],
)
def test_what_is_not_finite(got: float, want: float) -> None:
    """In one of the two, or in both but not the same, it is infinitely far."""
    assert _far(figures(np.array([1.0, got]), np.array([1.0, want]))) == FAR


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_the_same_in_both_agrees(value: float) -> None:
    assert figures(np.array([1.0, value]), np.array([1.0, value])) == Figures(0.0, 0.0, 1.0, math.inf, 1.0)


def test_shapes_must_be_equal() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\) is compared with \(2,\)"):
        figures(np.zeros((1, 2)), np.zeros(2))


def test_json_has_no_infinity() -> None:
    assert Figures(math.inf, math.inf, math.nan, -math.inf, 0.5).to_json() == {
        "max_abs": None, "max_rel": None, "largest": None, "snr_db": None, "cosine": 0.5,
    }  # fmt: skip


def test_agreement_by_row() -> None:
    want = np.array([[5.0, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5.5]])
    got = np.array([[5.0, 4, 3, 2, 1, 0], [9, 1, 2, 3, 4, 5.5]])
    same, other = agreement(got, want)
    assert (same.top1, same.top5, same.flipped_margin) == (True, 1.0, None)
    assert (other.top1, other.top5) == (False, 4 / 5)
    assert other.flipped_margin == 5.5 - 0.0  # the reference's own first class over the one that was given


def test_agreement_of_few_classes_and_of_ties() -> None:
    """Among equals the first counts as first, in both; of three classes the first three are all."""
    (row,) = agreement(np.array([1.0, 1, 0]), np.array([0.5, 0.5, 0]))
    assert (row.top1, row.top5, row.flipped_margin) == (True, 1.0, None)
    (row,) = agreement(np.array([0.0, 1, 0]), np.array([0.5, 0.5, 0]))
    assert (row.top1, row.flipped_margin) == (False, 0.0)


def test_the_worst_of_each() -> None:
    one, other = Figures(1.0, 0.1, 10.0, 60.0, 0.9), Figures(2.0, 0.01, 5.0, 80.0, 0.8)
    assert worst([one, other]) == Figures(2.0, 0.1, 5.0, 60.0, 0.8)


def test_a_share_that_is_just_kept_is_kept() -> None:
    """Whatever 0.07 * 100 comes to in float64."""
    perfect = figures(np.ones(1), np.ones(1))
    for rows in (25, 100, 125, 1000):
        for agreed in range(rows):
            cost = Cost("logits", ("photos",), perfect, rows, agreed, ())
            kept, missed = (float(f"{share / rows:.3f}") for share in (agreed, agreed + 1))
            assert cost.held_to(Limits(min_agreement=kept)).problem is None
            assert cost.held_to(Limits(min_agreement=missed)).problem is not None
