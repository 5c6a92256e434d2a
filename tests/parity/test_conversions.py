"""What people write goes into a Core ML model, by kind: exported, and right operator by operator."""

from __future__ import annotations

from pathlib import Path

import conversions
import coremltools as ct
import pytest

from cloformer.export.parity.verify import ParityRequest, compare
from cloformer.export.pipeline.export import export
from cloformer.export.pipeline.request import ExportRequest
from cloformer.export.source.signature import TensorSpec
from cloformer.export.source.spec import ModelSpec

# Every kind once in float32, for the oldest target; what places are taken by has other operators in newer ones.
WRITTEN = [(kind, "fp32", "ios16") for kind in ("numbers", "many", "images", "recurrent")]
WRITTEN += [("many", "fp16", "ios18")]


@pytest.mark.parametrize(("kind", "precision", "target"), WRITTEN)
def test_what_people_write(kind: str, precision: str, target: str, tmp_path: Path) -> None:
    request = ExportRequest(
        model=f"conversions:{kind}",
        spec=ModelSpec((TensorSpec("x", conversions.SHAPE),)),
        formats=("coreml",),
        precision=precision,
        options={"target": target},
        output=tmp_path,
    )
    (exported,) = export(request)
    report = compare(exported.artifact, ParityRequest(model=request.model, spec=request.spec))
    assert report.passed, [str(item) for item in (*report.outputs, *report.operators) if not item.passed]
    assert len(report.operators) > 20 and not report.not_compared


def test_whole_numbers_of_64_bits_come_in_as_32(tmp_path: Path) -> None:
    """With the numbers that the model takes, and what only 64 bits can index."""
    spec = ModelSpec((TensorSpec("ids", (2, 5), "int64"),))
    request = ExportRequest(model="conversions:rows", spec=spec, formats=("coreml",), output=tmp_path)
    (exported,) = export(request)
    (ids,) = exported.artifact.signature.inputs
    assert (ids.dtype, ids.values) == ("int32", (0, 8))
    report = compare(exported.artifact, ParityRequest(model=request.model, spec=spec))
    assert report.passed, [str(item) for item in (*report.outputs, *report.statements, *report.operators)]


def test_whole_numbers_keep_their_size_in_float16(tmp_path: Path) -> None:
    """coremltools takes what is gathered, sorted or squeezed into 16 bits, from iOS 17 on."""
    spec = ModelSpec((TensorSpec("ids", (2, 5), "int64", values=(0, 9)),))
    request = ExportRequest(
        model="conversions:large",
        spec=spec,
        formats=("coreml",),
        precision="fp16",
        options={"target": "ios17"},
        output=tmp_path,
    )
    (exported,) = export(request)
    report = compare(exported.artifact, ParityRequest(model=request.model, spec=spec))
    assert report.passed, [str(item) for item in (*report.outputs, *report.operators) if not item.passed]
    package = exported.artifact.model_path
    typed = ct.models.MLModel(str(package), skip_model_load=True).get_spec().mlProgram.SerializeToString()
    assert b"int16" in typed  # what is known to fit is narrow still


def test_truths_come_in_as_whole_numbers(tmp_path: Path) -> None:
    spec = ModelSpec((TensorSpec("x", (2, 5)), TensorSpec("mask", (2, 5), "bool")))
    request = ExportRequest(model="conversions:masked", spec=spec, formats=("coreml",), output=tmp_path)
    (exported,) = export(request)
    assert exported.artifact.signature.inputs[1].dtype == "int32"
    report = compare(exported.artifact, ParityRequest(model=request.model))
    assert report.passed, [str(item) for item in (*report.outputs, *report.statements, *report.operators)]
