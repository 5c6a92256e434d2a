"""What people write goes into a Core ML model, by kind: exported, and right operator by operator."""

from __future__ import annotations

from pathlib import Path

import conversions
import pytest

from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

# Every kind once in float32 for the oldest target, and in float16 for a newer one, whose operators have other forms.
WRITTEN = [(kind, "fp32", "ios16") for kind in ("numbers", "many", "images", "recurrent")]
WRITTEN += [(kind, "fp16", "ios18") for kind in ("numbers", "many", "images")]


@pytest.mark.parametrize(("kind", "precision", "target"), WRITTEN)
def test_what_people_write(kind: str, precision: str, target: str, tmp_path: Path) -> None:
    request = ExportRequest(
        model=f"conversions:{kind}",
        spec=ModelSpec(inputs=(TensorSpec("x", conversions.SHAPE),)),
        formats=("coreml",),
        precision=precision,
        options={"target": target},
        output=tmp_path,
    )
    (exported,) = export(request)
    report = compare(exported.artifact, ParityRequest(model=request.model, spec=request.spec))
    assert report.passed, [str(item) for item in (*report.outputs, *report.operators) if not item.passed]
    assert len(report.operators) > 20 and not report.not_compared
