"""Suppression without a loop keeps what the greedy loop keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from greedy import drawn, suppressed

from cloformer.export.source.roles import Coordinates
from cloformer.export.source.suppression import Suppress
from cloformer.export.source.suppression_rule import Suppression
from cloformer.io.fields import FieldError, Fields

PIXELS, SIZE = Coordinates("xyxy", "pixels"), (100, 100)
_SETS = 1000


def test_a_thousand_sets() -> None:
    """With ties, overlaps, none above the threshold and all; sets in which rounding decides are counted apart, and are few."""
    apart = kept = full = empty = 0
    for seed in range(_SETS):
        count = (7, 24, 60)[seed % 3]
        rule = Suppression(12, 0.05, (0.3, 0.5, 0.7)[seed // 3 % 3], (60, 40)[seed % 2])
        case = drawn(seed, count, 3)
        want, is_near = suppressed(case, rule)
        if is_near:
            apart += 1
            continue
        boxes, scores, classes = Suppress(rule, PIXELS, SIZE)(
            torch.from_numpy(case.boxes)[None], torch.from_numpy(case.scores)[None]
        )
        found = int((scores[0] > 0).sum())
        assert found == len(want), seed
        for place, (at, label) in enumerate(want):
            assert torch.equal(boxes[0, place], torch.from_numpy(case.boxes[at]).clamp(0, 100)), seed
            assert scores[0, place] == case.scores[at].max() and classes[0, place] == label, seed
        assert not boxes[0, found:].any() and not classes[0, found:].any()
        kept, full, empty = kept + found, full + (found == 12), empty + (not found)
    assert apart <= _SETS // 50
    assert kept > _SETS and full > 50 and empty > 50


def test_a_chain_is_settled_link_by_link() -> None:
    """Each box overlaps the next one alone: every other is kept, however long the chain is."""
    steps = torch.arange(40.0)
    boxes = torch.stack((steps * 4, torch.zeros(40), steps * 4 + 10, torch.full((40,), 10.0)), -1)[None]
    rule = Suppression(15, 0.0, 0.3, 40)
    found, scores, _ = Suppress(rule, PIXELS, (10, 200))(boxes, torch.linspace(1, 0.5, 40)[None])
    assert torch.equal(found[0, :, 0], steps[::2][:15] * 4)
    assert (scores > 0).all()


def test_forms_units_and_batches() -> None:
    """The same boxes said in four ways, and two images that do not know of one another."""
    case = drawn(3, 20, 2)
    boxes, scores = torch.from_numpy(case.boxes)[None].double(), torch.from_numpy(case.scores)[None].double()
    rule, size = Suppression(8, 0.1, 0.5, 20), (80, 160)
    sides = torch.tensor([160.0, 80.0], dtype=torch.float64)
    centre = torch.cat(((boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]), -1)
    want = Suppress(rule, PIXELS, size)(boxes, scores)
    for form, given in (("xyxy", boxes), ("center_size", centre)):
        for unit, unit_boxes in (("pixels", given), ("shares", given / torch.cat((sides, sides)))):
            got = Suppress(rule, Coordinates(form, unit), size)(unit_boxes, scores)
            for one, other in zip(got, want, strict=True):
                torch.testing.assert_close(one, other)
    both = Suppress(rule, PIXELS, size)(
        torch.cat((boxes, boxes.flip(1))), torch.cat((scores, scores.flip(1) * 0))
    )
    assert all(torch.equal(one[:1], other) for one, other in zip(both, want, strict=True))
    assert not both[1][1].any()


def test_classes_that_are_given() -> None:
    boxes = torch.tensor([[[0.0, 0, 10, 10], [1, 0, 10, 10], [0, 1, 10, 10]]])
    scores, classes = torch.tensor([[0.5, 0.9, 0.7]]), torch.tensor([[4, 4, 7]])
    _, kept, labels = Suppress(Suppression(3, 0.1, 0.5, 3), PIXELS, SIZE)(boxes, scores, classes)
    np.testing.assert_allclose(kept, [[0.9, 0.7, 0]])
    assert labels.tolist() == [[4, 7, 0]]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"max_detections": 0}, "max_detections"), ({"iou_threshold": 1.5}, "iou_threshold"), ({"candidates": 50}, "candidates"),
     ({"score_threshold": -0.1}, "score_threshold"), ({"nms": 1}, "nms")],
)  # fmt: skip
def test_what_cannot_be_meant(change: dict[str, object], field: str) -> None:
    assert Suppression.from_fields(Fields(Suppression().to_json())) == Suppression()
    with pytest.raises(FieldError, match=field):
        Suppression.from_fields(Fields(Suppression().to_json() | change))
