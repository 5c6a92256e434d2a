"""Suppression inside a file gives the boxes that the greedy loop gives, in every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dense_models import SETS, suppress
from greedy import Drawn, drawn, suppressed

from cloformer.export.formats.runners import open_model
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.roles import Coordinates, OutputRole
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

COUNT, CLASSES, DETECTIONS, BATCHES = 60, 3, 12, 20


def _drawn(seed: int) -> Drawn:
    """Numbers that float16 has too: eighths of pixels, and scores of eleven bits."""
    case = drawn(seed, COUNT, CLASSES)
    return Drawn(np.round(case.boxes * 8) / np.float32(8), np.round(case.scores * 1024) / np.float32(1024))


@pytest.mark.parametrize("form", ["onnx fp32", "coreml fp32", "coreml fp16"])
def test_a_thousand_sets(form: str, tmp_path: Path) -> None:
    """Equal to the last bit, but for sets in which an overlap is so near the threshold that rounding decides; in a program of float16
    too, in which places are computed in float32."""
    name, precision = form.split()
    boxes = TensorSpec("boxes", (SETS, COUNT, 4))
    scores = TensorSpec("scores", (SETS, COUNT, CLASSES))
    roles = (
        OutputRole("kept", "boxes", Coordinates("xyxy", "pixels")),
        OutputRole("sure", "box_scores"),
        OutputRole("labels", "box_classes"),
    )
    spec = ModelSpec((boxes, scores), outputs=tuple(item.name for item in roles), roles=roles)
    request = ExportRequest(
        model="dense_models:suppress", formats=(name,), precision=precision, spec=spec, output=tmp_path
    )
    artifact = export(request)[0].artifact
    rule = suppress().suppression
    apart = kept = 0
    with open_model(artifact.model) as runner:
        for batch in range(BATCHES):
            cases = [_drawn(batch * SETS + number) for number in range(SETS)]
            given = {
                "boxes": np.stack([case.boxes for case in cases]),
                "scores": np.stack([case.scores for case in cases]),
            }
            found = runner.run(given)
            for case, *outputs in zip(cases, found["kept"], found["sure"], found["labels"], strict=True):
                want, is_near = suppressed(case, rule)
                apart += is_near
                kept += len(want)
                if not is_near:
                    _assert_equal(case, want, *outputs)
    assert apart <= BATCHES and kept > BATCHES * SETS


def _assert_equal(
    case: Drawn, want: list[tuple[int, int]], kept: np.ndarray, sure: np.ndarray, labels: np.ndarray
) -> None:
    places = [at for at, _ in want]
    rest = DETECTIONS - len(want)
    np.testing.assert_array_equal(
        kept, np.pad(case.boxes[places].reshape(-1, 4).clip(0, 100), ((0, rest), (0, 0)))
    )
    np.testing.assert_array_equal(sure, np.pad(case.scores[places].max(1, initial=0), (0, rest)))
    np.testing.assert_array_equal(labels, [label for _, label in want] + [0] * rest)
