"""One output against its tolerance: what passes, and by which of its rules another fails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cloformer.export.parity.outputs import output_result
from cloformer.export.parity.report import OutputResult
from cloformer.export.parity.tolerances import OutputTolerance
from cloformer.export.reference.cases import Case

BOUND = OutputTolerance(1e-3, 0.999, "made up here")
CASE = Case("cat.jpg", "photograph", {})
WANT = np.array([[4.0, 2.0, -1.0]])


def _result(got: Any, want: Any = WANT, role: str = "logits", noise: Any = None) -> OutputResult:
    return output_result("logits", role, CASE, got, want, noise, BOUND)


def test_within_the_tolerance() -> None:
    """Which is a share of the reference's largest magnitude."""
    found = _result(WANT + np.array([0, 0.0039, 0]), noise=WANT + np.array([0, 0.001, 0]))
    assert found.passed and found.failure is None
    assert found.allowed == pytest.approx(4e-3)
    assert (found.top1, found.top5, found.flipped_margin) == (1.0, 1.0, None)
    assert found.noise_floor is not None and found.noise_floor.max_abs == pytest.approx(1e-3)
    assert not _result(WANT + np.array([0, 0.0041, 0])).passed


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf],
)
def test_what_is_not_finite_fails(value: float) -> None:
    failure = _result(WANT + np.array([0, 0, value])).failure
    assert failure is not None and "off by inf" in failure
    assert not _result(WANT, WANT + np.array([0, 0, value])).passed


def test_what_is_not_there_or_of_another_shape_fails() -> None:
    assert _result(None).failure == "the output is not there"
    assert _result(WANT[0]).failure == "the output has the shape [3], not [1, 3]"
    assert _result(None).figures.max_abs == math.inf
    assert _result(None, np.zeros((0, 3))).failure == "the output is not there"


def test_another_direction_fails() -> None:
    """Small errors everywhere that are none of the largest value's, and turn the whole."""
    want = np.zeros((1, 4001))
    want[0, 0] = 1.0
    failure = _result(np.where(want, want, 9e-4), want, "tensor").failure
    assert failure is not None and failure.startswith("cosine 0.99")


def test_another_first_class_fails_unless_the_reference_hardly_prefers_its_own() -> None:
    """By less than two errors that are allowed; by more, some error is larger than allowed as well."""
    near = np.array([[4.0, 4.0 - 0.003, -1.0]])
    swapped = near[:, [1, 0, 2]]
    found = _result(swapped, near)
    assert found.passed and found.top1 == 0.0 and found.flipped_margin == pytest.approx(0.003)
    far = np.array([[4.0, 4.0 - 0.03, -1.0]])
    assert not _result(far[:, [1, 0, 2]], far).passed


def test_probabilities_are_held_to_one_and_tensors_have_no_classes() -> None:
    want = np.array([[0.2, 0.5, 0.3]])
    found = _result(want + np.array([5e-4, -5e-4, 0]), want, "probabilities")
    assert found.passed and found.allowed == pytest.approx(1e-3)
    assert not _result(want + np.array([2e-3, -2e-3, 0]), want, "probabilities").passed
    assert _result(WANT, role="tensor").top1 is None
