"""One output against what rounding may cost it: what passes, and by which rule another fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from proof import Lambda, traced
from torch import Tensor

from cloformer.export.parity.outputs import not_told, output_result
from cloformer.export.parity.report import OutputResult
from cloformer.export.reference.cases import Case, Inputs, hostile_cases, noise_case
from cloformer.export.reference.loss import RoundingLoss
from cloformer.export.reference.references import Expected, Reference, Searched
from cloformer.export.reference.rounding import Format
from cloformer.export.source.preprocessing import Preprocessing
from cloformer.export.source.signature import TensorSpec

CASE = Case("cat.jpg", "photograph", {}, is_usual=True)
WANT = np.array([[4.0, 2.0, -1.0]])
FP32, FP16 = Format.of("float32", narrow_sums=False), Format.of("float16", narrow_sums=False)
LOST = 1e-3  # by every run below, at the first element


def _expected(
    want: Any = WANT, role: str = "logits", own: Any = None, lost: float = LOST, form: Format = FP32
) -> Expected:
    want = np.asarray(want)
    run = np.array(want, np.float64)
    run.flat[0] += lost
    spec = TensorSpec("logits", want.shape or (1,), role=role)
    return Expected(spec, want, form, RoundingLoss.of(want, [run]), own)


def _result(got: Any, want: Any = WANT, max_loss: float = 0.1, **options: Any) -> OutputResult:
    return output_result(CASE, got, _expected(want, **options), max_loss)


def test_within_four_times_what_rounding_costs() -> None:
    found = _result(WANT + np.array([0, 0.0039, 0]), own=WANT + np.array([0, 0.001, 0]))
    assert found.passed and found.failure is None
    assert found.allowed == pytest.approx(4e-3)
    assert found.tolerance.loss == pytest.approx(2.5e-4)
    assert (found.top1, found.top5, found.flipped_margin) == (1.0, 1.0, None)
    assert found.noise_floor is not None and found.noise_floor.max_abs == pytest.approx(1e-3)
    assert not _result(WANT + np.array([0, 0.0041, 0])).passed


def test_never_below_eight_roundings_of_the_largest() -> None:
    assert _result(WANT + 4 * 7.9 * 2.0**-24, lost=0.0).passed
    assert not _result(WANT + 4 * 8.1 * 2.0**-24, lost=0.0).passed


def test_of_nothing_no_error_is_a_share() -> None:
    """The sine of a flat image's spectrum is zero, and what rounding leaves of it is no overflow."""
    assert _result(np.full((1, 3), 0.9 * LOST), np.zeros((1, 3))).passed
    assert not _result(np.full((1, 3), math.inf), np.zeros((1, 3))).passed


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_fails(value: float) -> None:
    failure = _result(WANT + np.array([0, 0, value])).failure
    assert failure is not None and "off by inf" in failure
    assert not _result(WANT, WANT + np.array([0, 0, value]), lost=0.0).passed


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_the_same_agrees(value: float) -> None:
    want = WANT + np.array([0, 0, value])
    assert _result(want.copy(), want).passed


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_numbers_whose_squares_leave_float64_have_figures(scale: float) -> None:
    found = _result(WANT * scale * (1 + 1e-5), WANT * scale, lost=LOST * scale)
    assert found.passed and found.figures.max_rel == pytest.approx(1e-5)
    assert 99 < found.figures.snr_db < 101
    assert not _result(WANT * scale * 1.1, WANT * scale, lost=LOST * scale).passed


def test_what_is_not_there_or_of_another_shape_fails() -> None:
    assert _result(None).failure == "the output is not there"
    assert _result(WANT[0]).failure == "the output has the shape [3], not [1, 3]"
    assert _result(None).figures.max_abs == math.inf


def test_another_direction_fails() -> None:
    """Small errors everywhere that are none of the largest value's, and turn the whole."""
    want = np.zeros((1, 4001))
    want[0, 1] = 1.0
    failure = _result(np.where(want, want, 3.9e-3), want, role="tensor").failure
    assert failure is not None and failure.startswith("cosine 0.97")


def test_parts_are_held_to_their_own_scale() -> None:
    """Boxes to 640 beside scores to 1: what rounding costs the boxes allows the scores nothing."""
    random = np.random.default_rng(0)
    want = np.concatenate([random.uniform(1, 640, (1, 4, 64)), random.uniform(0, 1, (1, 6, 64))], 1)
    run = want * (1 + 1e-3 * random.standard_normal(want.shape))
    for turned in (lambda x: x, lambda x: x.swapaxes(1, 2)):
        spec = TensorSpec("out", turned(want).shape)
        expected = Expected(spec, turned(want), FP16, RoundingLoss.of(turned(want), [turned(run)]))
        assert output_result(CASE, turned(run), expected).passed
        for place, error in (((0, 5, 7), 0.14), ((0, 2, 7), 40.0)):
            wrong = run.copy()
            wrong[place] += error
            failure = output_result(CASE, turned(wrong), expected).failure
            assert failure is not None and "allowed" in failure


def test_a_format_that_costs_too_much_is_said_apart() -> None:
    """The file is the model, and the model is not good enough in this format."""
    found = _result(WANT * 1.02, lost=0.08, form=FP16, max_loss=0.01)
    assert found.failure is None and not found.passed
    assert found.too_lossy is not None and found.too_lossy.startswith("fp16 costs 2% of the largest value")
    assert _result(WANT * 1.02, lost=0.08, form=FP16).passed
    hostile = replace(CASE, kind="hostile")  # a black image, say
    assert output_result(hostile, WANT * 1.02, _expected(lost=0.08, form=FP16), 0.01).passed


@pytest.mark.parametrize("kind", ["noise", "hostile"])
def test_a_format_may_not_end_before_an_image(kind: str) -> None:
    """Whatever the image shows; tensors of numbers that no model expects may be beyond it."""
    ended, expected = np.full_like(WANT, np.inf), _expected(lost=math.inf, form=FP16)
    found = output_result(replace(CASE, kind=kind), ended, expected)
    assert found.too_lossy is not None and "infinite" in found.too_lossy
    tensor = Inputs((TensorSpec("x", (1, 3, 8, 8)),), {}, {})
    assert [case.is_usual for case in hostile_cases(tensor)] == [True, False, False, False]
    image = Inputs(
        (TensorSpec("x", (1, 3, 8, 8), role="image"),), {"x": Preprocessing(8, 8, 8)}, {"x": False}
    )
    assert all(case.is_usual for case in [noise_case(image), *hostile_cases(image)])
    assert output_result(replace(CASE, kind=kind, is_usual=False), ended, expected).passed


def test_where_rounding_costs_too_much_outputs_do_not_judge() -> None:
    found = _result(WANT * 1.05, lost=0.5, form=FP16)
    assert not found.tolerance.judges and found.failure is None
    assert not _result(WANT * 1.3, lost=0.5, form=FP16).passed  # the format costs too much
    overflown = _result(np.full_like(WANT, np.inf), lost=math.inf, form=FP16)
    assert overflown.too_lossy is not None and "infinite" in overflown.too_lossy
    assert None not in overflown.tolerance.to_json().values() or overflown.tolerance.to_json()["loss"] is None


def test_what_cannot_tell_is_not_shown_to_be_right() -> None:
    """On no photograph or noise; a hostile input may be as bad as it likes."""
    silent, telling = _result(WANT, lost=0.5, form=FP16), _result(WANT, form=FP16)
    assert len(not_told([silent, silent])) == 1
    assert not not_told([silent, telling]) and not not_told([telling])
    assert not not_told([replace(silent, kind="hostile"), telling])


def _decided(got: Any, want: Any, runs: Any = (), searched: Searched | None = None) -> OutputResult:
    want = np.asarray(want)
    spec = TensorSpec("classes", want.shape, "int64")
    loss = RoundingLoss.of(want, [np.asarray(run) for run in runs])
    return output_result(CASE, np.asarray(got), Expected(spec, want, FP16, loss, searched=searched))


def test_integers_and_truths_are_right_or_wrong() -> None:
    """Whatever their magnitude."""
    want = np.array([5, 100_000, 7])
    assert _decided(want, want).passed
    assert _decided(want + np.array([0, 1, 0]), want).failure == "1 of 3 are wrong"
    assert _decided([True, True], [True, False]).failure == "1 of 2 are wrong"


def test_where_rounding_decides_a_flip_is_counted_and_not_judged() -> None:
    found = _decided([5, 8, 7], [5, 6, 7], runs=[[5, 6, 7], [5, 9, 7]])
    assert found.passed and found.flips == 1
    assert not _decided([5, 6, 8], [5, 6, 7], runs=[[5, 6, 7], [5, 9, 7]]).passed


def test_a_place_that_stands_as_high_is_as_good() -> None:
    operand = np.array([[3.0, 7.0, 7.0 - 1e-4, 1.0]])
    loss = RoundingLoss.of(operand, [operand + 1e-4])
    searched = Searched(operand, 1, loss)
    assert _decided([2], [1], searched=searched).flips == 1
    assert not _decided([0], [1], searched=searched).passed
    assert not _decided([9], [1], searched=searched).passed  # there is no such place
    both = Searched(operand, 1, loss)
    assert _decided([[2, 1]], [[1, 2]], searched=both).passed
    assert not _decided([[2, 2]], [[1, 2]], searched=both).passed  # one place cannot be both


@pytest.mark.parametrize(
    ("law", "is_one"),
    [
        (lambda x: x.argsort(1)[:, :3], True),
        (lambda x: x.topk(4, 1)[1][:, 1:].clone(), True),
        (lambda x: x.sort(-1)[1][:, 0], True),
        (lambda x: x.sort(-1, descending=True)[1][:, 1:][:, 0], True),
        (lambda x: x.argsort(1)[:1], False),
        (lambda x: x.argsort(1)[0], False),
        (lambda x: x.argsort(1)[:, 0][:1], False),
    ],
)
def test_some_of_the_places_are_places_too(law: Callable[[Tensor], Tensor], is_one: bool) -> None:
    """Of numbers that are all the same each is as good as another."""
    reference = Reference(traced(Lambda(lambda _, x: law(x)), (2, 6)))
    same = {"x0": np.ones((2, 6), np.float32)}
    (expected,) = reference.expected(same, FP16, reference.twin.signature.outputs)
    assert (expected.searched is not None) == is_one
    if is_one:
        other = 5 - expected.want
        assert output_result(CASE, other, expected).passed
        assert not output_result(CASE, other + 6, expected).passed


def test_what_jumps_may_jump_where_rounding_decides() -> None:
    """As far as the runs jump, and at these elements alone."""
    want = np.linspace(-1, 1, 16).reshape(1, 16)
    one, other = want + 8e-3, want - 8e-3
    other[0, 7] += 0.5
    loss = RoundingLoss.of(want, [want + 1e-3], [(one, other)])
    expected = Expected(TensorSpec("out", want.shape), want, FP16, loss)
    jumped, elsewhere = want.copy(), want.copy()
    jumped[0, 7] += 0.5
    elsewhere[0, 8] += 0.5
    found = output_result(CASE, jumped, expected)
    assert found.passed and found.flips == 1
    assert not output_result(CASE, elsewhere, expected).passed


def test_an_integer_that_rounding_decides_is_about_what_runs_give() -> None:
    """And not any integer."""
    want = np.array([[3, 4, 5]], np.int32)
    loss = RoundingLoss.of(want, [want + np.array([[0, 1, 0]])])
    expected = Expected(TensorSpec("counts", want.shape, "int32"), want, FP16, loss)
    near, far, decided = (
        want + np.array([change], np.int32) for change in ([0, -1, 0], [0, 9, 0], [1, 0, 0])
    )
    assert output_result(CASE, near, expected).passed
    assert not output_result(CASE, far, expected).passed
    assert not output_result(CASE, decided, expected).passed


def test_a_loss_is_kept_and_read_again() -> None:
    want = np.random.default_rng(1).standard_normal((2, 3, 16))
    loss = RoundingLoss.of(want, [want * 1.01], [(want + 1, want + 1)])
    kept = loss.to_arrays()
    again = RoundingLoss.from_arrays(kept["loss"], kept.get("jumps"), want.shape, is_number=True)
    assert again.whole == pytest.approx(loss.whole, rel=1e-6) and again.whole >= loss.whole
    assert np.allclose(again.allowed(want, 4, 0), loss.allowed(want, 4, 0), rtol=1e-6)
    assert (again.with_jumps(want) == loss.with_jumps(want)).all() or np.allclose(
        again.with_jumps(want), loss.with_jumps(want), rtol=1e-6
    )
    for wrong in (kept["loss"][:-1], -kept["loss"], kept["loss"].astype(np.float64)):
        with pytest.raises(ValueError, match="float"):
            RoundingLoss.from_arrays(wrong, None, want.shape, is_number=True)


def test_formats_tell_how_sums_are_kept() -> None:
    narrow = Format.of("float16", narrow_sums=True)
    assert narrow.sums is torch.float16 and FP16.sums is torch.float32
    assert narrow.lost_by_sum(100) == pytest.approx(10) and FP16.lost_by_sum(100) < 1
    assert Format.of("float32", narrow_sums=True) == FP32
    in_order = Format.of("float32", narrow_sums=True, adds_in_order=True)
    assert in_order.lost_by_sum(100) == pytest.approx(10) and FP32.lost_by_sum(100) < 3
    assert in_order.label != FP32.label


def _beyond(ended: Any, want: Any, got: Any, kind: str = "photograph") -> OutputResult:
    """A decision that float16 makes otherwise where it ends, and that no rounding changes."""
    want = np.asarray(want)
    loss = RoundingLoss.of(want, [want], ended=np.asarray(ended))
    expected = Expected(TensorSpec("classes", want.shape, str(want.dtype)), want, FP16, loss)
    return output_result(replace(CASE, kind=kind, is_usual=kind != "hostile"), np.asarray(got), expected)


@pytest.mark.parametrize(
    ("ended", "want"), [([0, 7], [300_000, 7]), ([False, True], [True, True])], ids=["numbers", "truths"]
)
def test_what_is_decided_beyond_the_end_of_the_format_is_no_wrong_decision(ended: Any, want: Any) -> None:
    """It is what the format costs on a photograph, and on hostile inputs it says nothing."""
    found = _beyond(ended, want, ended)
    assert found.failure is None and not found.passed and "ends before a value" in str(found.too_lossy)
    assert _beyond(ended, want, ended, "hostile").passed
    assert _beyond(ended, want, want).passed
    assert _beyond(want, want, ended).failure == "1 of 2 are wrong"


@pytest.mark.parametrize("form", [FP32, FP16])
def test_where_the_model_itself_ends_so_may_a_file(form: Format) -> None:
    """Of a sigmoid written out, whose exponential float32 ends before; the vectors have what PyTorch gives."""
    reference = Reference(traced(Lambda(lambda _, x: x.exp() / (1 + x.exp())), (1, 4)))
    given = {"x0": np.array([[0.0, 1.0, 2.0, 200.0]], np.float32)}
    (expected,) = reference.expected(given, form, reference.twin.signature.outputs)
    exact = expected.want.astype(np.float32)
    assert np.isfinite(exact).all() and np.isnan(expected.to_store()).tolist() == [[False] * 3 + [True]]
    assert output_result(CASE, exact, expected).passed
    ended = np.array([[*exact[0, :3], np.nan]])
    assert output_result(CASE, ended, expected).passed
    assert not output_result(CASE, np.array([[np.nan, *exact[0, 1:]]]), expected).passed
    assert not output_result(CASE, np.array([[*exact[0, :3], np.inf]]), expected).passed
    given["x0"][0, 3] = 3.0
    (usual,) = reference.expected(given, form, reference.twin.signature.outputs)
    assert usual.own_end is None and not output_result(CASE, ended, usual).passed
