"""What a detector loses is told by matching."""

from __future__ import annotations

import numpy as np
import pytest
from greedy import drawn

from cloformer.export.parity.outputs import compare_outputs
from cloformer.export.parity.report import OutputResult
from cloformer.export.reference.cases import Case
from cloformer.export.reference.loss import RoundingLoss
from cloformer.export.reference.matching import Detections, matches
from cloformer.export.reference.references import Expected
from cloformer.export.reference.rounding import Format
from cloformer.export.source.signature import TensorSpec

COUNT = 20
HALF = Format.of("float16", narrow_sums=False)


def _detections(seed: int = 0) -> Detections:
    """Boxes that lie apart, of falling scores."""
    case = drawn(seed, COUNT, 3)
    corner = np.stack((np.arange(COUNT) % 5 * 20.0, np.arange(COUNT) // 5 * 20.0), 1)
    boxes = np.concatenate((corner, corner + 8 + case.boxes[:, :2] % 4), 1)
    return Detections(boxes, np.linspace(0.9, 0.2, COUNT), case.scores.argmax(1))


def _reordered(found: Detections, order: np.ndarray) -> Detections:
    return Detections(found.boxes[order], found.scores[order], found.classes[order])


def test_the_order_does_not_matter() -> None:
    found = _detections()
    order = np.random.default_rng(1).permutation(COUNT)
    assert matches(found, _reordered(found, order)) == {int(order[place]): place for place in range(COUNT)}


def test_another_class_and_another_place_match_nothing() -> None:
    found = _detections()
    other = Detections(found.boxes.copy(), found.scores, found.classes.copy())
    other.classes[3] += 1
    other.boxes[7] += 9
    assert set(range(COUNT)) - matches(found, other).keys() == {3, 7}
    empty = Detections(found.boxes * 0, found.scores * 0, found.classes * 0)
    assert matches(found, empty) == {} and matches(empty, found) == {}


def _results(got: Detections) -> list[OutputResult]:
    want = _detections()
    given, expected = {}, []
    for name, role, kind in (
        ("b", "boxes", "float32"),
        ("s", "box_scores", "float32"),
        ("c", "box_classes", "int64"),
    ):
        array = {"b": want.boxes, "s": want.scores, "c": want.classes}[name][None]
        spec = TensorSpec(name, array.shape, kind, role)
        # Rounding may exchange any two: what it costs says nothing of one place in the list.
        loss = RoundingLoss.of(array, [array[:, ::-1]] if kind == "float32" else [])
        expected.append(Expected(spec, array, HALF, loss))
        given[name] = {"b": got.boxes, "s": got.scores, "c": got.classes}[name][None]
    case = Case("photo", "photograph", {}, is_usual=True)
    return compare_outputs(case, given, expected, 0.1)


def test_boxes_that_change_places_cost_nothing() -> None:
    order = np.arange(COUNT)
    order[[0, 1, 6, 7]] = order[[1, 0, 7, 6]]
    changed = _reordered(_detections(), order)
    results = _results(Detections(changed.boxes, -np.sort(-changed.scores), changed.classes))
    assert [item.reason for item in results] == [None] * 3
    assert all(item.figures.max_abs == 0 for item in results if item.name != "s")


def test_boxes_in_another_order_than_their_scores_are_not_put_into_it() -> None:
    backwards = _reordered(_detections(), np.arange(COUNT)[::-1])
    assert max(item.figures.max_rel for item in _results(backwards)) > 0.5


@pytest.mark.parametrize("lost", [1, 2, 3, 20])
def test_boxes_that_are_lost_are_counted(lost: int) -> None:
    found = _detections()
    found.boxes[:lost] += 300.0
    results = _results(found)
    said = results[0].too_lossy
    assert (said is None) == (lost <= 2)
    assert said is None or f"costs {lost} of {COUNT} boxes" in said


def test_boxes_that_move_too_far_are_told() -> None:
    found = _detections()
    found.scores[0] -= 0.3
    results = _results(found)
    assert "by 30%" in str(results[0].too_lossy)
